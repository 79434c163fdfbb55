package oci

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// uv lays a target folder out flat: scripts and data lie beside the packages. In an environment they lie beside lib.

// beside are the folders of a wheel's data, unless a package has that name.
var beside = []string{"bin", "share", "etc", "include", "man"}

// installed lists the files of a target folder at their places in the image.
func (p Plan) installed(site string) (out []entry, err error) {
	err = filepath.WalkDir(site, func(file string, d fs.DirEntry, err error) error {
		if absent(err) && file == site {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(site, file)
		if err != nil || rel == ".lock" {
			return err
		}
		e, err := p.place(site, filepath.ToSlash(rel), file)
		out = append(out, e)
		return err
	})
	return out, err
}

// place returns a file at its place. Scripts start with the image's interpreter, and RECORDs say where files are now.
func (p Plan) place(site, rel, file string) (entry, error) {
	info, err := os.Stat(file)
	if err != nil {
		return entry{}, err
	}
	root := strings.TrimPrefix(envDir, "/")
	e := entry{mode: 0o644 | info.Mode()&0o111, size: info.Size(), open: func() (io.ReadCloser, error) { return os.Open(file) }}
	switch {
	case isBeside(site, rel):
		e.path = path.Join(root, rel)
		if strings.HasPrefix(rel, "bin/") {
			return scriptOf(e, file)
		}
	default:
		e.path = path.Join(root, "lib/python"+p.Python.Minor()+"/site-packages", rel)
		if path.Base(rel) == "RECORD" && strings.HasSuffix(path.Dir(rel), ".dist-info") {
			return recordOf(e, site, file)
		}
	}
	return e, nil
}

func isBeside(site, rel string) bool {
	first, _, deep := strings.Cut(rel, "/")
	if !deep {
		return false
	}
	for _, name := range beside {
		if name == first {
			_, err := os.Stat(filepath.Join(site, first, "__init__.py"))
			return err != nil
		}
	}
	return false
}

// shebang is the line by which uv has a script start the interpreter of this machine, in both of its forms.
var shebang = regexp.MustCompile(`\A#!(?:/bin/sh\n'''exec' .*\n' '''|[^\n]*python[^\n ]*)`)

const maxScript = 1 << 20

// scriptOf is a script that starts the environment's interpreter; a program stays as it is.
func scriptOf(e entry, file string) (entry, error) {
	e.mode = 0o755
	b, err := scriptText(file)
	if err != nil || b == nil {
		return e, err
	}
	return text(e.path, e.mode, string(b)), nil
}

// scriptText returns the new text of a script; nil: it is none.
func scriptText(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxScript+1))
	if err != nil || len(b) > maxScript || !shebang.Match(b) {
		return nil, err
	}
	return shebang.ReplaceAllLiteral(b, []byte("#!"+envDir+"/bin/python")), nil
}

// recordOf is a RECORD whose scripts and data lie where they do in an environment.
func recordOf(e entry, site, file string) (entry, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return e, err
	}
	var out bytes.Buffer
	for line := range strings.Lines(string(b)) {
		name, _, _ := strings.Cut(line, ",")
		if !isBeside(site, name) {
			out.WriteString(line)
			continue
		}
		script, err := scriptText(filepath.Join(site, name))
		switch {
		case err == nil && script != nil:
			sum := sha256.Sum256(script)
			fmt.Fprintf(&out, "../../../%s,sha256=%s,%d\n", name, base64.RawURLEncoding.EncodeToString(sum[:]), len(script))
		default:
			out.WriteString("../../../" + line)
		}
	}
	return text(e.path, 0o644, out.String()), nil
}
