// Package carry holds the agent's binaries for the machines that a server sends it to.
package carry

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"io"
)

// Agent is the agent for one platform.
type Agent struct {
	Version string // differs where the binary does; [0-9a-f]{16}
	Size    int64  // bytes
	packed  []byte
}

// Packed returns the binary as gzip packs it. It is not to be changed.
func (a Agent) Packed() []byte { return a.packed }

// Open reads the binary.
func (a Agent) Open() (io.ReadCloser, error) { return gzip.NewReader(bytes.NewReader(a.packed)) }

// For returns the agent for a platform, as Go names it. ok is false where this build holds none:
// then the server's own binary is the agent on its own platform, by the verb agent.Verb, and other
// platforms cannot be served.
func For(goos, goarch string) (a Agent, ok bool) {
	packed := embedded()[goarch]
	if goos != "linux" || len(packed) < 4 {
		return Agent{}, false
	}
	sum := sha256.Sum256(packed)
	// gzip ends with the size of what it holds. Source: RFC 1952, ISIZE.
	size := binary.LittleEndian.Uint32(packed[len(packed)-4:])
	return Agent{hex.EncodeToString(sum[:8]), int64(size), packed}, true
}
