// Package conda turns a conda specification into requirements that a Python package index serves.
//
// It is pure: it asks no channel and no index. What conda calls a package is looked up in tables
// (names/*.txt); a name that stands in none of them is refused, never guessed, because the index
// has packages of many conda names that are something else.
package conda

import (
	"fmt"
	"slices"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// MaxBytes is the largest specification that Translate reads.
const MaxBytes = 1 << 20

// Plan is a specification in the terms of a Python package index.
type Plan struct {
	Name         string            // the specification's own name; "": none
	Python       string            // the minor version to use, "3.10"; "": any
	PythonAsked  string            // the version as asked for, "3.10.18" or ">=3.8,<3.11"
	Requirements []string          // PEP 508, from conda's packages; valid by themselves
	Pip          []string          // pip's lines as written, options among them
	ChannelOnly  []string          // packages that only a conda channel has, as written: "ffmpeg=4"
	Channels     []string          // as written, in their order
	Conda        []byte            // the specification without pip's part, as JSON; nil unless ChannelOnly has any
	Variables    map[string]string // for the jobs; nil: none
	Notes        []string          // what was changed or left out, a sentence each
}

// Translate reads a conda specification (YAML or JSON; nil is none) and lines that pip reads, which
// follow the specification's own. The plan depends on its arguments alone.
//
// Faults are all Invalid: CondaSpecInvalid (with the line), CondaPackageUnknown, NotPython (a
// package of R, Julia or Perl) and CondaSpecTooLarge.
func Translate(conda []byte, pip []string) (Plan, error) {
	doc, err := parse(conda)
	if err != nil {
		return Plan{}, err
	}
	t := translation{Plan: Plan{Name: doc.name, Channels: doc.channels, Variables: doc.variables, Notes: doc.notes}}
	for _, item := range doc.dependencies {
		if err := t.dependency(item); err != nil {
			return Plan{}, err
		}
	}
	t.pipLines(doc.pip)
	t.pipLines(pip)
	if len(doc.dependencies) > 0 {
		t.implied()
	}
	t.closingNotes()
	if len(t.ChannelOnly) > 0 {
		t.Conda, err = doc.channelPart()
	}
	return t.Plan, err
}

// A translation is a plan in the making.
type translation struct {
	Plan
	bundled []string // left out: the wheels that need them bring them
}

func (t *translation) note(format string, a ...any) {
	if n := fmt.Sprintf(format, a...); !slices.Contains(t.Notes, n) {
		t.Notes = append(t.Notes, n)
	}
}

// dependency adds one of conda's packages to the plan.
func (t *translation) dependency(item scalar) error {
	s, err := parseSpec(item)
	if err != nil {
		return err
	}
	if s.name == "python" {
		return t.python(s)
	}
	c := lookup(s.name)
	switch c.kind {
	case foreign:
		return notPython(item, s.name)
	case unknown:
		return unknownPackage(item, s.name)
	case bundled:
		t.bundled = append(t.bundled, s.name)
		return nil
	case program:
		t.program(item, s.name, c)
		return nil
	}
	return t.requirement(s, c)
}

// requirement adds a package that the index has.
func (t *translation) requirement(s spec, c counterpart) error {
	v, err := s.pep440(c.widened)
	if err != nil {
		return err
	}
	if len(s.alternatives) > 0 {
		t.note("%s: of the alternatives %q the last is taken.", s.name, s.version)
	}
	if s.build != "" && s.build != "*" {
		t.note("%s: the build %q is not asked for, the index has no builds.", s.name, s.build)
	}
	if normal(s.name) != strings.Split(c.name, "[")[0] {
		t.note("%s is called %s on the Python package index.", s.name, c.name)
	}
	if r := c.name + v; !slices.Contains(t.Requirements, r) {
		t.Requirements = append(t.Requirements, r)
	}
	return nil
}

func (t *translation) program(item scalar, name string, c counterpart) {
	t.ChannelOnly = append(t.ChannelOnly, item.text)
	from := "it must be there already"
	if c.name != "" {
		from = "Debian has it as " + c.name
	}
	t.note("%s is no Python package: where the target has no conda it is left out; %s.", name, from)
}

// implied adds what a conda Python brings along. Old code imports pkg_resources, which setuptools
// dropped in 81.
func (t *translation) implied() {
	var named []string
	for _, line := range slices.Concat(t.Requirements, t.Pip) {
		named = append(named, normal(NameOf(line)))
	}
	for _, r := range []string{"pip", "setuptools<81", "wheel"} {
		if name, _, _ := strings.Cut(r, "<"); !slices.Contains(named, name) {
			t.Requirements = append(t.Requirements, r)
		}
	}
}

func (t *translation) closingNotes() {
	if len(t.bundled) > 0 {
		t.note("Left out, because wheels bring such libraries along or nothing here needs them: %s.", strings.Join(t.bundled, ", "))
	}
	if len(t.Channels) > 0 {
		t.note("The channels (%s) have no effect where the packages come from the configured Python package index.",
			strings.Join(t.Channels, ", "))
	}
}

func invalid(item scalar, why, fix string) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "CondaSpecInvalid", What: "cannot read the conda specification" + item.at(),
		Why: why, Fix: fix, Field: item.field,
	}
}

func notPython(item scalar, name string) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "NotPython", What: "cannot build this conda specification" + item.at(),
		Why: fmt.Sprintf("%q is not a Python package, and environments here are Python's", name),
		Fix: "take it out of the specification, or use an image that has it", Field: item.field,
	}
}

func unknownPackage(item scalar, name string) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "CondaPackageUnknown", What: "cannot build this conda specification" + item.at(),
		Why: fmt.Sprintf("which Python package conda's %q is, is not known, and guessing could install another one", name),
		Fix: fmt.Sprintf("move %s under \"pip:\" by the name that the Python package index has for it, or take it out", name), Field: item.field,
	}
}
