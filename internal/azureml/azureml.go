// Package azureml says which names of Azure Machine Learning's SDK v1 a script may use with this server. It
// is data: azureml-core 1.61 was read for the names, and the faces below internal/api/v1 for what they do.
package azureml

import (
	"slices"
	"strings"
)

// Support is what becomes of a call.
type Support string

// The kinds of support.
const (
	Works   Support = "works"
	Noted   Support = "noted"   // works, but not in all as in Azure: the note says in what
	Refused Support = "refused" // the note says why
)

// Symbol is a name of the SDK, or all names of a class that have no entry of their own.
type Symbol struct {
	Class   string // "Run"; "" are functions of azureml.core, and packages
	Name    string // "log"; "__init__" is making one; "*" is all other names of the class
	Support Support
	Note    string // a sentence; "" only where it works as it is
	Part    string // of the product: "runs", "environments"
}

// String returns the name as the SDK's users write it.
func (s Symbol) String() string {
	switch {
	case s.Class == "":
		return s.Name
	case s.Name == "__init__":
		return s.Class + "()"
	}
	return s.Class + "." + s.Name
}

// Symbols returns the whole table, in its order.
func Symbols() []Symbol { return slices.Clone(table()) }

// Index finds symbols. It may be used from several goroutines.
type Index struct {
	symbols map[string]Symbol
	bases   map[string]string
}

// NewIndex returns the table as an Index.
func NewIndex() *Index {
	x := &Index{symbols: map[string]Symbol{}, bases: bases()}
	for _, s := range table() {
		x.symbols[s.Class+"."+s.Name] = s
	}
	return x
}

// Class reports whether a class has entries.
func (x *Index) Class(name string) bool {
	_, any := x.symbols[name+".*"]
	_, init := x.symbols[name+".__init__"]
	return any || init || x.bases[name] != ""
}

// Find returns what is known of a name of a class: its own entry, or that of a class that it is derived
// from, or that for all names of the class. Making one is allowed where nothing says otherwise.
func (x *Index) Find(class, name string) (Symbol, bool) {
	for c := class; c != ""; c = x.bases[c] {
		for _, n := range []string{name, "*"} {
			if s, ok := x.symbols[c+"."+n]; ok {
				s.Class, s.Name = class, name
				return s, true
			}
		}
		if name == "__init__" && x.Class(class) {
			return Symbol{Class: class, Name: name, Support: Works}, true
		}
	}
	return Symbol{}, false
}

// Package returns what is known of a dotted name by the package that it is in: "azureml.pipeline.core.Pipeline"
// by "azureml.pipeline".
func (x *Index) Package(dotted string) (Symbol, bool) {
	for p := dotted; p != ""; {
		if s, ok := x.symbols["."+p]; ok {
			s.Name = dotted
			return s, true
		}
		i := strings.LastIndexByte(p, '.')
		if i < 0 {
			break
		}
		p = p[:i]
	}
	return Symbol{}, false
}

// Type returns what a name of a class is, or what calling it returns: a class, "[]" and a class for what
// holds such things, or "".
func (x *Index) Type(class, name string) string {
	for c := class; c != ""; c = x.bases[c] {
		if t, ok := types()[c+"."+name]; ok {
			if t == "Self" {
				return class
			}
			return t
		}
	}
	return ""
}
