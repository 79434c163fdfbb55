package conda

import (
	"embed"
	"regexp"
	"strings"
	"sync"
)

// A kind says what a conda package is to a Python package index.
type kind int

const (
	unknown kind = iota
	onIndex      // a Python package
	bundled      // a library that wheels bring along, or part of conda's own machinery
	program      // something for which the index has no counterpart
	foreign      // a package of another language
)

// A counterpart is what stands for a conda package.
type counterpart struct {
	kind    kind
	name    string // on the index; of a program: its Debian package, if there is one
	widened bool   // index versions have one number more than conda's
}

// The lists, one name a line or several; renamed.txt and programs.txt have pairs.
//
//go:embed names/*.txt
var lists embed.FS

// tables maps a conda name to its counterpart. It is read once and never changes.
var tables = sync.OnceValue(func() map[string]counterpart {
	t := map[string]counterpart{}
	for name := range words("same.txt") {
		t[normal(name)] = counterpart{kind: onIndex, name: normal(name)}
	}
	for name := range words("bundled.txt") {
		t[name] = counterpart{kind: bundled}
	}
	for conda, debian := range pairs("programs.txt") {
		t[conda] = counterpart{kind: program, name: debian}
	}
	for conda, index := range pairs("renamed.txt") {
		t[conda] = counterpart{kind: onIndex, name: index, widened: strings.HasPrefix(index, "opencv-")}
	}
	return t
})

// Families of names that are known as a whole; the tables come first, then these in their order.
var families = []struct {
	kind    kind
	pattern *regexp.Regexp
}{
	{foreign, regexp.MustCompile(`^(r|r-.*|_r-.*|rpy2|julia|perl|perl-.*|bioconductor-.*)$`)},
	{bundled, regexp.MustCompile(`^(cuda-.*|libcu.*|libnv.*|magma-.*|_.*_mutex|xorg-.*|xcb-.*|aws-c-.*|azure-.*-cpp|` +
		`(gcc|gxx|gfortran|binutils|ld)(_impl)?_linux-.*|(sysroot|kernel-headers)_linux-.*|libllvm\d+|libclang\d+|libboost.*|` +
		`libgoogle-cloud.*|libgdal-.*|libarrow.*|libparquet|libabseil.*|m2w64-.*|msys2-.*|vs20\d\d_runtime|python_abi.*|` +
		`spacy-model-.*|conda-.*|qt-.*|qt6?-main|libgcc.*|libstdcxx.*|libgfortran.*|clang-\d+|mkl-.*)$`)},
	{onIndex, regexp.MustCompile(`^(azure|azureml|azure-ai|google-cloud|opentelemetry|types|pytest|sphinxcontrib|langchain|` +
		`llama-index|apache-airflow-providers|django|flask|jupyterlab|mypy-boto3|backports|nvidia-ml|zope|jaraco)[-_.][a-z0-9][a-z0-9._-]*[a-z0-9]$`)},
}

func lookup(name string) counterpart {
	for _, key := range []string{name, normal(name)} {
		if c, ok := tables()[key]; ok {
			return c
		}
	}
	for _, f := range families {
		if f.pattern.MatchString(name) {
			return counterpart{kind: f.kind, name: normal(name)}
		}
	}
	return counterpart{}
}

var separators = regexp.MustCompile(`[-_.]+`)

// normal returns a name as the index compares names (PEP 503).
func normal(name string) string {
	return separators.ReplaceAllString(strings.ToLower(name), "-")
}

// lines yields the lines of a list without comments.
func lines(file string) func(func(string) bool) {
	return func(yield func(string) bool) {
		text, err := lists.ReadFile("names/" + file)
		if err != nil {
			panic(err) // it is part of the program
		}
		for line := range strings.Lines(string(text)) {
			line, _, _ = strings.Cut(line, "#")
			if line = strings.TrimSpace(line); line != "" && !yield(line) {
				return
			}
		}
	}
}

func words(file string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for line := range lines(file) {
			for _, w := range strings.Fields(line) {
				if !yield(w) {
					return
				}
			}
		}
	}
}

func pairs(file string) func(func(string, string) bool) {
	return func(yield func(string, string) bool) {
		for line := range lines(file) {
			left, right, _ := strings.Cut(line, " ")
			for _, name := range strings.Split(left, ",") {
				if !yield(name, strings.TrimSpace(right)) {
					return
				}
			}
		}
	}
}
