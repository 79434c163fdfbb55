// Package carry holds the program that runs scripts, for the machines that a server sends it to.
package carry

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"runtime"
	"sync"
)

// Program is the program for one architecture.
type Program struct {
	Hash string // SHA-256 in lower-case hex
	Size int64
	open func() (io.ReadCloser, error)
}

// Open reads the program.
func (p Program) Open() (io.ReadCloser, error) { return p.open() }

// For returns the program for Linux on an architecture, as Go names it. A build that holds none is the program
// itself on its own architecture, by the verb job.Verb; ok is false for others.
func For(arch string) (p Program, ok bool) {
	p, ok = programs()[arch]
	return p, ok
}

var programs = sync.OnceValue(func() map[string]Program {
	out := map[string]Program{}
	for arch, packed := range embedded() {
		add(out, arch, func() (io.ReadCloser, error) { return gzip.NewReader(bytes.NewReader(packed)) })
	}
	if len(out) == 0 && runtime.GOOS == "linux" {
		add(out, runtime.GOARCH, func() (io.ReadCloser, error) { return os.Open("/proc/self/exe") })
	}
	return out
})

// add adds a program that can be read.
func add(to map[string]Program, arch string, open func() (io.ReadCloser, error)) {
	r, err := open()
	if err != nil {
		return
	}
	defer r.Close()
	h := sha256.New()
	if n, err := io.Copy(h, r); err == nil {
		to[arch] = Program{hex.EncodeToString(h.Sum(nil)), n, open}
	}
}
