package client

import (
	"bufio"
	"bytes"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/format/gitignore"
)

// ignoreFile says which ignore files count in a tree: .amlignore where its root has one, as the
// Azure ML clients do, else .gitignore.
func ignoreFile(root []fs.DirEntry) string {
	if slices.ContainsFunc(root, func(e fs.DirEntry) bool { return e.Name() == ".amlignore" }) {
		return ".amlignore"
	}
	return ".gitignore"
}

// rules are the patterns that hold in a folder: its own and those of the folders above. nil has none.
type rules struct{ patterns []gitignore.Pattern }

// read returns the rules of a folder below.
func (r *rules) read(root *os.Root, dir, name string, entries []fs.DirEntry) (*rules, error) {
	if !slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == name && e.Type().IsRegular() }) {
		return r, nil
	}
	text, err := root.ReadFile(path.Join(dir, name))
	if err != nil {
		return nil, unreadableFile(path.Join(dir, name), err)
	}
	var domain []string
	if dir != "." {
		domain = strings.Split(dir, "/")
	}
	below := &rules{}
	if r != nil {
		below.patterns = slices.Clone(r.patterns)
	}
	lines := bufio.NewScanner(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff"))))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if line, ok := pattern(lines.Text()); ok {
			below.patterns = append(below.patterns, gitignore.ParsePattern(line, domain))
		}
	}
	return below, lines.Err()
}

// pattern strips what git strips of a line: a trailing \r, and trailing spaces that no backslash
// guards. false is an empty line or a comment.
func pattern(line string) (string, bool) {
	line = strings.TrimSuffix(line, "\r")
	for strings.HasSuffix(line, " ") && !strings.HasSuffix(line, `\ `) {
		line = line[:len(line)-1]
	}
	return line, line != "" && !strings.HasPrefix(line, "#")
}

// match reports whether a path is ignored. The last pattern that speaks of it decides.
func (r *rules) match(name string, dir bool) bool {
	if r == nil {
		return false
	}
	parts := strings.Split(name, "/")
	for _, p := range slices.Backward(r.patterns) {
		switch p.Match(parts, dir) {
		case gitignore.Exclude:
			return true
		case gitignore.Include:
			return false
		}
	}
	return false
}
