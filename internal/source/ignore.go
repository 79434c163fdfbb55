package source

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	amlIgnore = ".amlignore"
	gitIgnore = ".gitignore"
	// maxIgnoreFile bounds an ignore file in bytes.
	maxIgnoreFile = 1 << 20
)

// ignores are the rules of one folder's ignore file, with those of the folders above. nil has none.
type ignores struct {
	above *ignores
	base  string // the folder: ends in a slash, or is ""
	aml   bool   // .gitignore does not count here and below
	rules []rule
}

// enter returns the rules for what is in the folder at path, which holds list.
func (g *ignores) enter(root, path string, list []fs.DirEntry) (*ignores, error) {
	aml := g != nil && g.aml
	name := ""
	switch {
	case holds(list, amlIgnore):
		name, aml = amlIgnore, true
	case !aml && holds(list, gitIgnore):
		name = gitIgnore
	default:
		return g, nil
	}
	text, err := readIgnoreFile(filepath.Join(root, path, name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // a link to nothing has no rules
		return nil, unreadable(path+name, err)
	}
	return &ignores{above: g, base: path, aml: aml, rules: parseRules(text)}, nil
}

// holds reports whether list, which is sorted, has a file or a link of that name.
func holds(list []fs.DirEntry, name string) bool {
	i, ok := slices.BinarySearchFunc(list, name, func(e fs.DirEntry, n string) int { return strings.Compare(e.Name(), n) })
	return ok && (list[i].Type().IsRegular() || list[i].Type()&fs.ModeSymlink != 0)
}

func readIgnoreFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxIgnoreFile+1))
	if err == nil && len(text) > maxIgnoreFile {
		err = errIgnoreFileTooLarge
	}
	return text, err
}

// ignored reports whether path, none of whose folders is ignored, is: the last rule that matches
// decides, and a rule of a deeper folder comes after those above.
func (g *ignores) ignored(path string, dir bool) bool {
	for ; g != nil; g = g.above {
		rel := path[len(g.base):]
		base := rel[strings.LastIndexByte(rel, '/')+1:]
		for _, r := range slices.Backward(g.rules) {
			if r.matches(rel, base, dir) {
				return !r.negated
			}
		}
	}
	return false
}

// rule is one line of an ignore file.
type rule struct {
	negated  bool   // "!": what matches is not ignored
	dirOnly  bool   // "…/": matches folders only
	anywhere bool   // without another slash: matches the name in any folder
	prefix   string // what stands before the first wildcard
	rest     glob
}

func (r *rule) matches(rel, base string, dir bool) bool {
	if r.dirOnly && !dir {
		return false
	}
	name := rel
	if r.anywhere {
		name = base
	}
	tail, ok := strings.CutPrefix(name, r.prefix)
	return ok && r.rest.match(tail)
}

// parseRules reads an ignore file as git does: gitignore(5).
func parseRules(text []byte) []rule {
	var rules []rule
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	for line := range strings.SplitSeq(string(text), "\n") {
		line, _, _ = strings.Cut(line, "\x00") // git's lines are C strings
		if r, ok := parseRule(strings.TrimSuffix(line, "\r")); ok {
			rules = append(rules, r)
		}
	}
	return rules
}

func parseRule(line string) (r rule, ok bool) {
	if strings.HasPrefix(line, "#") {
		return r, false
	}
	p := trimSpaces(line)
	p, r.negated = strings.CutPrefix(p, "!")
	p, r.dirOnly = strings.CutSuffix(p, "/")
	r.anywhere = !strings.Contains(p, "/")
	p = strings.TrimPrefix(p, "/")
	if p == "" {
		return r, false
	}
	n := strings.IndexAny(p, `*?[\`)
	if n < 0 {
		n = len(p)
	}
	r.prefix = p[:n]
	r.rest, ok = compile(p[n:])
	return r, ok
}

// trimSpaces takes away the spaces at the end that no backslash protects.
func trimSpaces(s string) string {
	end := 0
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
			end = i + 1
		} else if s[i] != ' ' {
			end = i + 1
		}
	}
	return s[:end]
}
