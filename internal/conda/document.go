package conda

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"go.yaml.in/yaml/v3"
)

const (
	maxDepth = 20     // of nested collections; a specification has three
	maxNodes = 50_000 // aliases counted each time they are followed
)

// A scalar is a value with its place in the document.
type scalar struct {
	text  string
	line  int    // 0: not known
	field string // "dependencies[2]"
}

func (s scalar) at() string {
	if s.line == 0 {
		return ""
	}
	return " (line " + strconv.Itoa(s.line) + ")"
}

// document is a specification as written, in its parts.
type document struct {
	name         string
	channels     []string
	dependencies []scalar
	pip          []string
	variables    map[string]string
	notes        []string
	nodes        int
}

func parse(text []byte) (*document, error) {
	d := &document{}
	if len(text) > MaxBytes {
		return nil, tooLarge(fmt.Sprintf("it has %d bytes, and at most %d are read", len(text), MaxBytes))
	}
	if !utf8.Valid(text) {
		return nil, invalid(scalar{}, "it is not UTF-8 text", "save the file as UTF-8")
	}
	var root yaml.Node
	if err := yaml.Unmarshal(plainJSON(text), &root); err != nil {
		return nil, malformed(err)
	}
	if len(root.Content) == 0 {
		return d, nil
	}
	top, err := d.follow(root.Content[0], 0)
	if err != nil {
		return nil, err
	}
	return d, d.top(top)
}

// channelPart returns what conda itself reads of the document.
func (d *document) channelPart() ([]byte, error) {
	part := struct {
		Channels     []string `json:"channels,omitzero"`
		Dependencies []string `json:"dependencies"`
	}{Channels: d.channels}
	for _, item := range d.dependencies {
		part.Dependencies = append(part.Dependencies, item.text)
	}
	return json.Marshal(part)
}

// plainJSON rewrites JSON so that a YAML parser reads it: tabs, and escapes that YAML has not.
func plainJSON(text []byte) []byte {
	trimmed := bytes.TrimSpace(text)
	if !bytes.HasPrefix(trimmed, []byte("{")) {
		return text
	}
	dec := json.NewDecoder(bytes.NewReader(trimmed))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil || dec.More() {
		return text
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if enc.Encode(v) != nil {
		return text
	}
	return out.Bytes()
}

// follow resolves an alias and counts the node, so that neither depth nor aliases run away.
func (d *document) follow(n *yaml.Node, depth int) (*yaml.Node, error) {
	for n.Kind == yaml.AliasNode && n.Alias != nil {
		n = n.Alias
		depth++
	}
	d.nodes++
	if d.nodes > maxNodes || depth > maxDepth {
		return nil, tooLarge("it has too many values, or they are nested too deeply")
	}
	return n, nil
}

func (d *document) top(n *yaml.Node) error {
	if isNull(n) {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		return invalid(scalar{line: n.Line}, "it is not a mapping with \"dependencies\"", "write it as conda's environment.yml")
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		value, err := d.follow(n.Content[i+1], 1)
		if err == nil {
			err = d.member(n.Content[i].Value, value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *document) member(key string, n *yaml.Node) (err error) {
	switch key {
	case "name":
		d.name = n.Value
	case "channels":
		var list []scalar
		list, err = d.scalars(n, key, 2)
		for _, s := range list {
			d.channels = append(d.channels, s.text)
		}
	case "dependencies":
		err = d.list(n, key, 2, d.item)
	case "variables":
		err = d.variable(n)
	default:
		d.notes = append(d.notes, fmt.Sprintf("%q in the conda specification has no effect.", key))
	}
	return err
}

// list calls do with each item of a sequence.
func (d *document) list(n *yaml.Node, field string, depth int, do func(*yaml.Node, string) error) error {
	if isNull(n) {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		return invalid(scalar{line: n.Line, field: field}, field+" is not a list", "write each item on a line of its own after \"- \"")
	}
	for i, c := range n.Content {
		c, err := d.follow(c, depth)
		if err == nil {
			err = do(c, fmt.Sprintf("%s[%d]", field, i))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// scalars returns the items of a sequence of plain values.
func (d *document) scalars(n *yaml.Node, field string, depth int) ([]scalar, error) {
	var out []scalar
	err := d.list(n, field, depth, func(c *yaml.Node, field string) error {
		if c.Kind != yaml.ScalarNode {
			return invalid(scalar{line: c.Line, field: field}, "it is not a plain value", "write it as text")
		}
		if !isNull(c) && strings.TrimSpace(c.Value) != "" {
			out = append(out, scalar{strings.TrimSpace(c.Value), c.Line, field})
		}
		return nil
	})
	return out, err
}

// item reads one dependency: a package, or the mapping {pip: [...]}.
func (d *document) item(n *yaml.Node, field string) error {
	if n.Kind == yaml.ScalarNode {
		if text := strings.TrimSpace(n.Value); text != "" && !isNull(n) {
			d.dependencies = append(d.dependencies, scalar{text, n.Line, field})
		}
		return nil
	}
	place := scalar{line: n.Line, field: field}
	if n.Kind != yaml.MappingNode {
		return invalid(place, "a dependency is neither a package nor \"pip:\"", "write it as name=version")
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if key := n.Content[i].Value; key != "pip" {
			return invalid(place, fmt.Sprintf("a dependency %q with a value is not known", key),
				"write the package as name=version; only \"pip:\" takes a list")
		}
		value, err := d.follow(n.Content[i+1], 3)
		if err != nil {
			return err
		}
		if err := d.pipItems(value, field+".pip"); err != nil {
			return err
		}
	}
	return nil
}

func (d *document) pipItems(n *yaml.Node, field string) error {
	if n.Kind == yaml.ScalarNode && !isNull(n) {
		d.pip = append(d.pip, n.Value)
		return nil
	}
	list, err := d.scalars(n, field, 4)
	for _, s := range list {
		d.pip = append(d.pip, s.text)
	}
	return err
}

// variableName is what a shell can export.
var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func (d *document) variable(n *yaml.Node) error {
	if isNull(n) {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		return invalid(scalar{line: n.Line, field: "variables"}, "variables is not a mapping", "write NAME: value")
	}
	d.variables = map[string]string{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		value, err := d.follow(n.Content[i+1], 2)
		if err != nil {
			return err
		}
		place := scalar{line: key.Line, field: "variables." + key.Value}
		if !variableName.MatchString(key.Value) || value.Kind != yaml.ScalarNode || strings.ContainsRune(value.Value, 0) {
			return invalid(place, "a variable has an odd name, or a value that is no text", "write NAME: value, with letters, digits and _")
		}
		if isNull(value) {
			value = &yaml.Node{}
		}
		d.variables[key.Value] = value.Value
	}
	return nil
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" || n.Kind == 0 }

// yamlLine finds the line that the YAML parser names in its message.
var yamlLine = regexp.MustCompile(`line (\d+)`)

func malformed(err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	var place scalar
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		place.line, _ = strconv.Atoi(m[1])
	}
	return invalid(place, "it is neither YAML nor JSON: "+text, "correct the line; indent with spaces, not with tabs")
}

func tooLarge(why string) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "CondaSpecTooLarge", What: "cannot read the conda specification",
		Why: why, Fix: "list only the packages that the script imports",
	}
}
