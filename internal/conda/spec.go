package conda

import (
	"fmt"
	"regexp"
	"strings"
)

// A spec is one of conda's package specifications in its parts.
type spec struct {
	item         scalar
	name         string   // in small letters
	version      string   // as written; "": any
	exact        bool     // version and build are both given: the version is meant to the letter
	build        string   // "": any
	alternatives []string // the parts of a version with "|", when there are several
}

var (
	specName    = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.\-]*`)
	channelPart = regexp.MustCompile(`^[^\s\[\]=<>!~'"]+::`) // conda-forge::, conda-forge/linux-64::
	bracketPart = regexp.MustCompile(`^([^\[\]]*)\[(.*)\]$`)
	bracketPair = regexp.MustCompile(`^\s*,?\s*([a-z_0-9]+)\s*=\s*(?:'([^']*)'|"([^"]*)"|([^,'"\s]+))`)
	tightBuild  = regexp.MustCompile(`^(==?)\s*([^=\s,|<>!~]+)=([^=\s]+)$`) // =1.2=py38_0
	looseBuild  = regexp.MustCompile(`^(\S+)\s+(\S+)$`)                     // 1.2 py38_0
	spaceAfter  = regexp.MustCompile(`([<>=!~,|])\s+`)
	spaceBefore = regexp.MustCompile(`\s+([,|])`)
)

// parseSpec reads the three ways in which conda writes a package: name=version=build, name version
// build, and name[version=…]; each may follow a channel and precede a comment.
func parseSpec(item scalar) (spec, error) {
	text, _, _ := strings.Cut(item.text, " #")
	text = strings.TrimSpace(channelPart.ReplaceAllString(text, ""))
	s := spec{item: item}
	inside := ""
	if m := bracketPart.FindStringSubmatch(text); m != nil {
		text, inside = strings.TrimSpace(m[1]), m[2]
	}
	s.name = strings.ToLower(specName.FindString(text))
	rest := strings.TrimSpace(text[len(s.name):])
	if s.name == "" || strings.ContainsAny(rest, "[]()@/:;\\'\"^$") {
		return s, invalid(item, fmt.Sprintf("%q is not a package in conda's form", item.text),
			"write it as name, name=version or name>=version; put a URL or a path under \"pip:\"")
	}
	s.rest(rest)
	if err := s.brackets(inside); err != nil {
		return s, err
	}
	if strings.Contains(s.version, "|") {
		s.alternatives = strings.Split(s.version, "|")
	}
	return s, nil
}

// rest splits what follows the name into version and build.
func (s *spec) rest(text string) {
	text = spaceBefore.ReplaceAllString(spaceAfter.ReplaceAllString(text, "$1"), "$1")
	if m := tightBuild.FindStringSubmatch(text); m != nil {
		s.version, s.build, s.exact = m[2], m[3], true
		return
	}
	if m := looseBuild.FindStringSubmatch(text); m != nil {
		s.version, s.build, s.exact = m[1], m[2], true
		return
	}
	s.version = text
}

// brackets reads name[key=value,…], whose values win.
func (s *spec) brackets(text string) error {
	for strings.TrimSpace(text) != "" {
		m := bracketPair.FindStringSubmatch(text)
		if m == nil {
			return invalid(s.item, fmt.Sprintf("what stands in the brackets of %q is not key=value", s.item.text),
				"write it as name[version='>=1.2']")
		}
		text = text[len(m[0]):]
		value := m[2] + m[3] + m[4]
		switch m[1] {
		case "version":
			s.version = value
		case "build":
			s.build = value
		}
	}
	return nil
}
