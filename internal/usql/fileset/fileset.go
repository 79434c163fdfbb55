// Package fileset reads the paths of U-SQL, in which braces make one path stand for many files.
package fileset

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Set is a path: of one file, or of all whose names fit. Within braces, * and a name stand for any characters
// but /, and name:yyyy for a part of a date. The names are those of virtual columns.
type Set struct {
	Path    string
	pattern *regexp.Regexp
	columns []string // by group of the pattern
	dates   []string // by group: the part of the date, "" for a text
}

var braces = regexp.MustCompile(`\{[^{}]*\}`)

// parts are the parts of a date, and how they are written in a file's name.
var parts = map[string]string{
	"yyyy": `\d{4}`, "MM": `\d{2}`, "dd": `\d{2}`, "HH": `\d{2}`, "mm": `\d{2}`, "ss": `\d{2}`,
	"M": `\d{1,2}`, "d": `\d{1,2}`, "H": `\d{1,2}`, "m": `\d{1,2}`, "s": `\d{1,2}`,
}

// Parse reads a path below the store's folder. It fails on what leaves the folder.
func Parse(text string) (Set, error) {
	clean := path.Clean("/" + strings.TrimPrefix(text, "/"))
	if clean == "/" || slices.Contains(strings.Split(text, "/"), "..") || strings.ContainsRune(text, 0) {
		return Set{}, fmt.Errorf("%q is no path of a file below the store", text)
	}
	s := Set{Path: clean[1:]}
	var b strings.Builder
	b.WriteString(`\A`)
	rest := s.Path
	for _, at := range braces.FindAllStringIndex(s.Path, -1) {
		from := at[0] - (len(s.Path) - len(rest))
		b.WriteString(regexp.QuoteMeta(rest[:from]))
		one, err := s.part(s.Path[at[0]+1 : at[1]-1])
		if err != nil {
			return Set{}, err
		}
		b.WriteString(one)
		rest = s.Path[at[1]:]
	}
	if strings.ContainsAny(rest, "{}") || strings.Contains(b.String(), `\{`) || strings.Contains(b.String(), `\}`) {
		return Set{}, fmt.Errorf("%q has a brace without its other", text)
	}
	b.WriteString(regexp.QuoteMeta(rest) + `\z`)
	s.pattern = regexp.MustCompile(b.String())
	return s, nil
}

// part returns the pattern of what stands in a pair of braces.
func (s *Set) part(in string) (string, error) {
	if in == "*" {
		return `[^/]*`, nil
	}
	name, date, dated := strings.Cut(in, ":")
	digits, ok := parts[date]
	if name == "" || dated && !ok {
		return "", fmt.Errorf("{%s} is not known: write {*}, {name} or {name:yyyy}, with MM, dd, HH, mm or ss", in)
	}
	if !dated && slices.Contains(s.columns, name) {
		return "", fmt.Errorf("{%s} stands there twice", in)
	}
	s.columns, s.dates = append(s.columns, name), append(s.dates, date)
	if dated {
		return "(" + digits + ")", nil
	}
	return `([^/]*)`, nil
}

// Many reports whether the path has braces.
func (s Set) Many() bool { return braces.MatchString(s.Path) }

// Columns returns the names of the virtual columns, each once.
func (s Set) Columns() []string {
	out := slices.Clone(s.columns)
	slices.Sort(out)
	return slices.Compact(out)
}

// Dated reports whether a virtual column is made of parts of a date.
func (s Set) Dated(name string) bool {
	i := slices.Index(s.columns, name)
	return i >= 0 && s.dates[i] != ""
}

// Dir returns the folder that all files of the set are below; "." is the store's.
func (s Set) Dir() string {
	before, _, _ := strings.Cut(s.Path, "{")
	return path.Dir(before + "x")
}

// Match reports whether a file is one of the set, and the values of the virtual columns then: texts, and
// dates as 2006-01-02 15:04:05.
func (s Set) Match(file string) (map[string]string, bool) {
	m := s.pattern.FindStringSubmatch(file)
	if m == nil {
		return nil, false
	}
	out := map[string]string{}
	for i, name := range s.columns {
		if s.dates[i] == "" {
			out[name] = m[i+1]
		} else {
			out[name] = s.date(name, m)
		}
	}
	return out, true
}

// date puts the parts of one column together; a part that is not there is the first.
func (s Set) date(name string, m []string) string {
	got := map[byte]string{'y': "0001", 'M': "01", 'd': "01", 'H': "00", 'm': "00", 's': "00"}
	for i, part := range s.dates {
		if s.columns[i] == name && part != "" {
			got[part[0]] = fmt.Sprintf("%02s", m[i+1])
		}
	}
	return got['y'] + "-" + got['M'] + "-" + got['d'] + " " + got['H'] + ":" + got['m'] + ":" + got['s']
}
