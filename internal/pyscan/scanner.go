package pyscan

import (
	"slices"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/azureml"
)

// A value is what is known of an expression: "azureml.…" a package or a class by its dotted name, "=Run" a
// Run, "[]Run" what holds Runs, "@f" a function of the script; "" is nothing.

// scanner follows one script.
type scanner struct {
	index     *azureml.Index
	scopes    []scope
	globals   map[string]string // as the pass before left them
	functions map[string]*function
	cell      int
	uses      []Use
	learned   bool
}

// scope is the names of a function's body, or of the script.
type scope struct {
	indent int // of its def
	names  map[string]string
	of     *function
}

// function is one of the script's own.
type function struct {
	params  []string
	given   map[string]string // what calls pass for its parameters
	returns string
}

func (s *scanner) begin() {
	if len(s.scopes) > 0 {
		s.globals = s.scopes[0].names
	}
	s.scopes = []scope{{indent: -1, names: map[string]string{}}}
}

// leave ends the functions whose bodies a line of this indent is not in.
func (s *scanner) leave(indent int) {
	for len(s.scopes) > 1 && s.scopes[len(s.scopes)-1].indent >= indent {
		s.scopes = s.scopes[:len(s.scopes)-1]
	}
}

func (s *scanner) lookup(n string) string {
	for _, sc := range slices.Backward(s.scopes) {
		if v, ok := sc.names[n]; ok {
			return v
		}
	}
	if len(s.scopes) > 1 { // a function sees what is set after it
		if v, ok := s.globals[n]; ok {
			return v
		}
	}
	if s.functions[n] != nil {
		return "@" + n
	}
	return ""
}

func (s *scanner) bind(n, value string) {
	where := s.scopes[len(s.scopes)-1].names
	if strings.HasPrefix(n, "self.") { // objects outlive the functions that set them
		if where = s.scopes[0].names; value == "" {
			return
		}
	}
	where[n] = value
}

func (s *scanner) use(t token, class, member string) {
	symbol, ok := s.index.Find(class, member)
	if !ok {
		symbol = azureml.Symbol{Class: class, Name: member, Support: Unknown}
	}
	s.record(t, symbol)
}

func (s *scanner) record(t token, symbol azureml.Symbol) {
	s.uses = append(s.uses, Use{Cell: s.cell, Line: t.line, Call: symbol.String(), Support: symbol.Support, Note: symbol.Note, Part: symbol.Part})
}

// statement follows one logical line.
func (s *scanner) statement(l logical) {
	s.leave(l.indent)
	for len(l.tokens) > 0 {
		end := at(l.tokens, ";")
		s.simple(l.indent, l.tokens[:end])
		l.tokens = l.tokens[min(end+1, len(l.tokens)):]
	}
}

func (s *scanner) simple(indent int, ts []token) {
	if len(ts) == 0 {
		return
	}
	if ts[0].s == "async" {
		ts = ts[1:]
	}
	s.comprehensions(ts)
	switch word(ts, 0) {
	case "import":
		s.imports(ts[1:])
	case "from":
		s.fromImport(ts[1:])
	case "def":
		s.define(indent, ts[1:])
	case "for":
		s.loop(ts[1:])
		s.simple(indent, ts[min(after(ts, ":"), len(ts)):])
	case "with":
		s.with(ts[1:])
		s.simple(indent, ts[min(after(ts, ":"), len(ts)):])
	case "if", "elif", "while", "else", "try", "finally", "except":
		end := at(ts, ":")
		s.value(ts[1:min(max(end, 1), len(ts))])
		s.simple(indent, ts[min(end+1, len(ts)):])
	case "return":
		s.returned(s.value(ts[1:]))
	default:
		s.assign(ts)
	}
}

func (s *scanner) returned(value string) {
	if f := s.scopes[len(s.scopes)-1].of; f != nil && value != "" && f.returns != value {
		s.learned = s.learned || f.returns == ""
		f.returns = value
	}
}

func dotted(ts []token) (string, int) {
	var b strings.Builder
	n := 0
	for n < len(ts) && (ts[n].kind == name || ts[n].s == ".") && word(ts, n) != "as" && word(ts, n) != "import" {
		b.WriteString(ts[n].s)
		n++
	}
	return b.String(), n
}

func (s *scanner) imports(ts []token) {
	for part := range split(ts) {
		module, n := dotted(part)
		switch {
		case word(part, n) == "as" && n+1 < len(part):
			s.bind(part[n+1].s, known(module))
		default:
			top, _, _ := strings.Cut(module, ".")
			s.bind(top, known(top))
		}
	}
}

func known(module string) string {
	if module == "azureml" || strings.HasPrefix(module, "azureml.") {
		return module
	}
	return ""
}

func (s *scanner) fromImport(ts []token) {
	module, n := dotted(ts)
	rest := ts[min(n+1, len(ts)):]
	if len(rest) > 0 && rest[0].s == "(" {
		rest = rest[1 : len(rest)-1+boolInt(rest[len(rest)-1].s != ")")]
	}
	for part := range split(rest) {
		if len(part) == 0 {
			continue
		}
		if part[0].s == "*" && known(module) == "azureml.core" {
			for _, c := range star {
				s.bind(c, module+"."+c)
			}
			continue
		}
		as := part[len(part)-1].s
		value := ""
		if known(module) != "" {
			value = module + "." + part[0].s
		}
		s.bind(as, value)
	}
}

// star is what "from azureml.core import *" brings.
var star = []string{"Workspace", "Experiment", "Run", "ScriptRunConfig", "RunConfiguration", "Environment", "Model", "Dataset", "Datastore", "ComputeTarget", "Keyvault", "ContainerRegistry", "ScriptRun", "Webservice", "Image"}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// define begins a function's body.
func (s *scanner) define(indent int, ts []token) {
	if len(ts) < 2 {
		return
	}
	n := ts[0].s
	f := s.functions[n]
	if f == nil {
		f = &function{given: map[string]string{}}
		s.functions[n] = f
		s.learned = true
	}
	s.scopes[len(s.scopes)-1].names[n] = "@" + n
	end := closing(ts, 1)
	names := map[string]string{}
	f.params = nil
	for part := range split(ts[2:max(2, end)]) {
		for len(part) > 0 && strings.Trim(part[0].s, "*/") == "" {
			part = part[1:]
		}
		if len(part) == 0 {
			continue
		}
		p, value := part[0].s, f.given[part[0].s]
		if word(part, 1) == ":" {
			if t := instance(s.value(part[2:min(at(part, "="), len(part))])); t != "" {
				value = t
			}
		}
		if eq := at(part, "="); value == "" && eq < len(part) {
			value = s.value(part[eq+1:])
		}
		names[p] = value
		f.params = append(f.params, p)
	}
	s.scopes = append(s.scopes, scope{indent, names, f})
	if colon := end + 1 + at(ts[min(end+1, len(ts)):], ":"); colon+1 < len(ts) { // its body in the same line
		s.simple(indent+1, ts[colon+1:])
	}
}

// called remembers what a function of the script was called with.
func (s *scanner) called(f *function, args []token) {
	params := f.params
	if len(params) > 0 && params[0] == "self" {
		params = params[1:]
	}
	i := 0
	for part := range split(args) {
		p := ""
		if word(part, 1) == "=" {
			p, part = part[0].s, part[2:]
		} else if i < len(params) {
			p = params[i]
		}
		i++
		v := s.quiet(part)
		if p != "" && v != "" && f.given[p] == "" {
			f.given[p], s.learned = v, true
		}
	}
}

// quiet is value, without its uses: they are recorded once.
func (s *scanner) quiet(ts []token) string {
	before := s.uses
	defer func() { s.uses = before }()
	return s.value(ts)
}

func (s *scanner) loop(ts []token) {
	in := at(ts, "in")
	if in >= len(ts) {
		return
	}
	v := s.value(ts[in+1 : min(at(ts, ":"), len(ts))])
	s.bindAll(ts[:in], element(v))
}

// element is what a loop over a value brings. Dictionaries of the SDK are taken for their values.
func element(v string) string {
	if inner, ok := strings.CutPrefix(v, "[]"); ok {
		return "=" + inner
	}
	return ""
}

// bindAll binds the names of a target: of several, the last (in "for name, run in …items()" the value).
func (s *scanner) bindAll(ts []token, value string) {
	var names []string
	for _, t := range ts {
		if t.kind == name {
			names = append(names, t.s)
		}
	}
	for i, n := range names {
		if i == len(names)-1 {
			s.bind(n, value)
		} else {
			s.bind(n, "")
		}
	}
}

func (s *scanner) with(ts []token) {
	for part := range split(ts[:min(at(ts, ":"), len(ts))]) {
		as := at(part, "as")
		v := s.value(part[:as])
		if as+1 < len(part) {
			s.bind(part[as+1].s, v)
		}
	}
}

// comprehensions binds the names that comprehensions and generators in a line loop with.
func (s *scanner) comprehensions(ts []token) {
	for i := 1; i < len(ts); i++ {
		if word(ts, i) != "for" {
			continue
		}
		rest := ts[i+1:]
		in := at(rest, "in")
		if in >= len(rest) {
			continue
		}
		rest = rest[in+1:]
		end := len(rest)
		for _, stop := range []string{"for", "if", ")", "]", "}"} {
			end = min(end, at(rest, stop))
		}
		s.bindAll(ts[i+1:i+1+in], element(s.quiet(rest[:end])))
	}
}

func (s *scanner) assign(ts []token) {
	var targets [][]token
	for {
		eq := at(ts, "=")
		if eq >= len(ts) {
			break
		}
		targets = append(targets, ts[:eq])
		ts = ts[eq+1:]
	}
	v := s.value(ts)
	for _, target := range targets {
		s.assignTo(target, ts, v)
	}
}

func (s *scanner) assignTo(target, right []token, v string) {
	if colon := at(target, ":"); colon < len(target) {
		if v == "" {
			v = instance(s.value(target[colon+1:]))
		}
		target = target[:colon]
	}
	switch {
	case len(target) == 1 && target[0].kind == name:
		s.bind(target[0].s, v)
	case len(target) == 3 && target[0].s == "self" && target[1].s == ".":
		s.bind("self."+target[2].s, v)
	case at(target, ",") < len(target):
		lefts, rights := slices.Collect(split(target)), slices.Collect(split(right))
		for i, l := range lefts {
			if len(l) == 1 {
				value := ""
				if len(rights) == len(lefts) {
					value = s.quiet(rights[i])
				}
				s.bind(l[0].s, value)
			}
		}
	default:
		s.value(target) // an attribute of something
	}
}
