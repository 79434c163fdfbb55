package oci

import (
	"archive/tar"
	"cmp"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Python is an interpreter in an image.
type Python struct {
	Version string // "3.11"; with the patch release where the image says it
	Path    string // "/usr/local/bin/python3.11"
}

// Minor returns the version without the patch release.
func (p Python) Minor() string { return minorOf(p.Version) }

func minorOf(version string) string {
	parts := strings.SplitN(version, ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}

// Base is what a base image says of itself.
type Base struct {
	Arch    string   // "amd64"
	Libc    string   // "glibc 2.36", "musl"; "": not known
	Pythons []Python // those of its PATH, in its order
}

// usualPath is the PATH of an image that has none.
const usualPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

var (
	pythonName = regexp.MustCompile(`^python(3\.\d+)$`)
	muslName   = regexp.MustCompile(`^ld-musl-.*\.so\.1$`)
	glibcName  = regexp.MustCompile(`^libc(?:-(2\.\d+))?\.so(?:\.6)?$`)
	glibcSays  = regexp.MustCompile(`GNU C Library [^\x00\n]{0,80}version (2\.\d+)`)
)

// LookInto reads all layers of an image for its interpreters and its C library. It costs as much as unpacking it.
func LookInto(img v1.Image) (Base, error) {
	cfg, err := img.ConfigFile()
	if err != nil {
		return Base{}, unreadable(err)
	}
	layers, err := img.Layers()
	if err != nil {
		return Base{}, unreadable(err)
	}
	b, found := Base{Arch: cfg.Architecture}, map[string]bool{}
	for _, l := range layers {
		if err := b.lookInto(l, found); err != nil {
			return Base{}, unreadable(err)
		}
	}
	b.order(found, cfg.Config.Env)
	return b, nil
}

// lookInto notes what one layer has.
func (b *Base) lookInto(l v1.Layer, found map[string]bool) error {
	in, err := l.Uncompressed()
	if err != nil {
		return err
	}
	defer in.Close()
	for r := tar.NewReader(in); ; {
		h, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		name := path.Clean("/" + h.Name)
		dir, base := path.Split(name)
		hidden, gone := strings.CutPrefix(base, ".wh.")
		switch {
		case gone:
			delete(found, dir+hidden)
		case pythonName.MatchString(base):
			found[name] = true
		case muslName.MatchString(base):
			b.Libc = "musl"
		case glibcName.MatchString(base) && h.Typeflag == tar.TypeReg && strings.Contains(dir, "lib"):
			b.glibc(base, r)
		}
	}
}

// glibc reads the version from the library's name, or from what it says of itself.
func (b *Base) glibc(name string, r io.Reader) {
	if m := glibcName.FindStringSubmatch(name); m[1] != "" {
		b.Libc = "glibc " + m[1]
		return
	}
	text, err := io.ReadAll(io.LimitReader(r, 8<<20))
	if m := glibcSays.FindSubmatch(text); err == nil && m != nil {
		b.Libc = "glibc " + string(m[1])
	}
}

// order keeps the interpreters of the PATH.
func (b *Base) order(found map[string]bool, env []string) {
	search, full := usualPath, ""
	for _, kv := range env {
		name, v, _ := strings.Cut(kv, "=")
		switch name {
		case "PATH":
			search = v
		case "PYTHON_VERSION": // of the images that Docker calls official
			full = v
		}
	}
	for dir := range strings.SplitSeq(search, ":") {
		var here []Python
		for name := range found {
			if m := pythonName.FindStringSubmatch(path.Base(name)); path.Dir(name) == path.Clean(dir) {
				p := Python{Version: m[1], Path: name}
				if minorOf(full) == m[1] {
					p.Version = full
				}
				here = append(here, p)
			}
		}
		slices.SortFunc(here, func(x, y Python) int { return cmp.Compare(number(y.Minor()), number(x.Minor())) })
		for _, p := range here {
			if !slices.Contains(b.Pythons, p) {
				b.Pythons = append(b.Pythons, p)
			}
		}
	}
}

// number is what follows the point.
func number(minor string) int {
	_, n, _ := strings.Cut(minor, ".")
	i, _ := strconv.Atoi(n)
	return i
}

// choose picks the interpreter for a version that is asked for; "": any. A newer one will do unless exact, with a warning.
func (b Base) choose(asked string, exact bool) (p Python, warning string, err error) {
	if len(b.Pythons) == 0 {
		return p, "", pythonMissing("it has no python3.X on its PATH", asked)
	}
	if asked == "" {
		return b.Pythons[0], "", nil
	}
	var newer []Python
	for _, p := range b.Pythons {
		switch d := number(p.Minor()) - number(minorOf(asked)); {
		case d == 0:
			return p, "", nil
		case d > 0:
			newer = append(newer, p)
		}
	}
	if len(newer) == 0 || exact {
		return p, "", pythonMissing("it has Python "+b.versions(), asked)
	}
	p = slices.MinFunc(newer, func(x, y Python) int { return cmp.Compare(number(x.Minor()), number(y.Minor())) })
	return p, fmt.Sprintf("Python %s is asked for and not in the base image: Python %s is used instead", minorOf(asked), p.Version), nil
}

func (b Base) versions() string {
	var list []string
	for _, p := range b.Pythons {
		list = append(list, p.Version)
	}
	return strings.Join(list, ", ")
}

func pythonMissing(why, asked string) error {
	what := "the base image cannot run the environment"
	if asked != "" {
		what = "the base image has no Python " + minorOf(asked)
	}
	return &fault.Error{
		Code: fault.Invalid, Reason: "PythonMissing", What: what, Why: why,
		Fix: "name a base image with that Python, such as docker.io/library/python:3.12-slim; or ask for a version that it has", Field: "base",
	}
}

func unreadable(err error) error {
	return fault.Doing("the base image cannot be read", orFault(err, "ImageUnreadable", "its layers cannot be unpacked", "fetch or push it again"))
}

// orFault returns the fault that err is, or one of the reason.
func orFault(err error, reason, why, fix string) error {
	if f, ok := asFault(err); ok {
		return f
	}
	return &fault.Error{Code: fault.Invalid, Reason: reason, What: "the image cannot be used", Why: why + ": " + err.Error(), Fix: fix, Err: err}
}
