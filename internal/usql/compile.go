package usql

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/usql/dotnet"
	"github.com/zaffre-ml/zaffre/internal/usql/syntax"
)

// compiler turns a script into a plan.
type compiler struct {
	plan    Plan
	faults  []*fault.Error
	given   map[string]string // parameters that no DECLARE took yet
	vars    map[string]value
	rowsets map[string]*rowset // by the newest definition
	all     []*rowset
	time    time.Time
}

// rowset is what a query of the script gives.
type rowset struct {
	view   string // its name in SQL
	cols   []column
	sql    string // "": an input
	input  *Input
	uses   []*rowset
	used   int
	wants  []string // conditions of its readers on the virtual columns
	needed bool
}

// Compile checks a script and makes a plan of it. A parameter wins over the DECLARE EXTERNAL of its name, and
// is a string where there is none. The error is Faults: fault.Invalid for what is no U-SQL, with the Reasons
// "USQLSyntax", "NameUnknown", "TypesDiffer" and so on, and fault.Unsupported with "USQLNotSupported" for
// what is U-SQL and not known here.
func Compile(script string, parameters map[string]string) (Plan, error) {
	tree, faults := syntax.Parse(script)
	c := &compiler{
		faults: faults, given: maps.Clone(parameters), vars: map[string]value{}, rowsets: map[string]*rowset{}, time: time.Now(),
	}
	c.parameters(tree)
	for _, st := range tree.Statements {
		switch st := st.(type) {
		case *syntax.Declare:
			c.declare(st)
		case *syntax.Assign:
			c.assign(st)
		case *syntax.Output:
			c.output(st)
		}
	}
	if len(c.faults) == 0 && len(c.plan.Outputs) == 0 {
		c.note(invalid("OutputMissing", syntax.Pos{Line: 1, Column: 1}, "the script writes nothing", "there is no OUTPUT in it", `add one: OUTPUT @rows TO "/out.csv" USING Outputters.Csv();`))
	}
	if len(c.faults) > 0 {
		return Plan{}, c.sorted()
	}
	c.collect()
	return c.plan, nil
}

func (c *compiler) note(e *fault.Error) { c.faults = append(c.faults, e) }

// sorted returns the faults in the order of the script.
func (c *compiler) sorted() Faults {
	slices.SortStableFunc(c.faults, func(a, b *fault.Error) int {
		l, m := Place(a.Field)
		n, o := Place(b.Field)
		return cmp.Or(cmp.Compare(l, n), cmp.Compare(m, o))
	})
	return slices.CompactFunc(c.faults, func(a, b *fault.Error) bool { return a.Field == b.Field && a.What == b.What })
}

// parameters declares those that the script does not.
func (c *compiler) parameters(tree *syntax.Script) {
	declared := map[string]bool{}
	for _, st := range tree.Statements {
		if d, ok := st.(*syntax.Declare); ok && d.External {
			declared[d.Name] = true
		}
	}
	for name, v := range c.given {
		if !declared[name] {
			c.vars[name] = constant(dotnet.String, v)
		}
	}
}

func (c *compiler) declare(d *syntax.Declare) {
	_, again := c.vars[d.Name]
	if _, ok := c.rowsets[d.Name]; ok || again && !d.External {
		c.note(invalid("NameTaken", d.At, "@"+d.Name+" is declared before", "a variable, a rowset or a parameter has that name", "take another name, or DECLARE EXTERNAL for a parameter"))
		return
	}
	if again {
		return // an EXTERNAL one gives way
	}
	if d.Value == nil {
		c.vars[d.Name] = bad()
		return
	}
	t := dotnet.Type{}
	if d.Type != nil {
		var ok bool
		if t, ok = c.typeOf(*d.Type); !ok {
			c.vars[d.Name] = bad()
			return
		}
	}
	s := &scope{compiler: c}
	v := s.expr(d.Value)
	if d.Type != nil {
		v = c.to(v, t, d.Value.Place())
	} else if v.t.Kind == dotnet.Null {
		v = c.to(v, dotnet.Type{Kind: dotnet.Int}, d.Value.Place())
	}
	if p, ok := c.given[d.Name]; ok && d.External && !isBad(v) {
		v = c.parameter(d, v, p)
	}
	c.vars[d.Name] = v
}

func (c *compiler) parameter(d *syntax.Declare, v value, s string) value {
	p, ok := given(v.t.Kind, s)
	if !ok {
		c.note(invalid("ParameterInvalid", d.At, "the parameter "+d.Name+" cannot be used", fmt.Sprintf("%q is no %s", s, v.t.Kind), "give a value of its type"))
		return bad()
	}
	return p
}

func (c *compiler) assign(a *syntax.Assign) {
	if _, ok := c.vars[a.Name]; ok {
		c.note(invalid("NameTaken", a.At, "@"+a.Name+" is a variable", "a rowset cannot have the name of a variable", "take another name"))
		return
	}
	r := c.query(a.Query)
	if r == nil {
		r = &rowset{} // known, so that its readers have no fault of their own
	}
	r.view = c.fresh("@" + a.Name)
	if r.input != nil {
		r.input.Table = r.view
	}
	c.rowsets[a.Name] = r
}

// fresh returns a name in SQL that no other rowset has.
func (c *compiler) fresh(base string) string {
	return name(fmt.Sprintf("%s %d", base, len(c.all)))
}

// add makes a rowset.
func (c *compiler) add(r *rowset) *rowset {
	c.all = append(c.all, r)
	r.view = c.fresh("query")
	return r
}

// collect puts what the outputs need into the plan, in the order of the script.
func (c *compiler) collect() {
	for i := len(c.all) - 1; i >= 0; i-- {
		if r := c.all[i]; r.needed {
			for _, u := range r.uses {
				u.needed = true
				u.used++
			}
		}
	}
	for _, r := range c.all {
		switch {
		case !r.needed:
		case r.input == nil:
			c.plan.Views = append(c.plan.Views, View{Name: r.view, SQL: r.sql})
		default:
			r.input.Shared = r.used > 1
			r.input.Filter = r.filter()
			c.plan.Inputs = append(c.plan.Inputs, *r.input)
		}
	}
}
