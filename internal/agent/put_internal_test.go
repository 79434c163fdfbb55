package agent

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// TestPart: the beginning of a file is there for the next stream, and goes when the file is whole.
func TestPart(t *testing.T) {
	t.Parallel()
	const text = "0123456789"
	hash := fmt.Sprintf("%x", sha256.Sum256([]byte(text)))
	s := &server{root: t.TempDir()}
	lacking := func() wire.Hashes { return s.lacking([]wire.File{{Hash: hash, Size: int64(len(text))}}) }
	put := func(offset int64, r io.Reader) string {
		return fault.ReasonOf(s.putFile(wire.PutFile{Hash: hash, Offset: offset}, r))
	}
	breaks := func(text string) io.Reader {
		return io.MultiReader(strings.NewReader(text), iotest.ErrReader(errors.New("it broke")))
	}
	for _, step := range []struct {
		what   string
		offset int64
		r      io.Reader
		reason string
		begun  int64
	}{
		{"nothing of it comes", 0, breaks(""), "AgentFiles", 0},
		{"a part comes", 0, breaks(text[:3]), "AgentFiles", 3},
		{"less comes than is there", 0, breaks(text[:2]), "AgentFiles", 3},
		{"more comes", 3, breaks(text[3:5]), "AgentFiles", 5},
		{"it is said to have more than it has", 7, strings.NewReader(text[7:]), "FileInterrupted", 5},
		{"another file comes", 0, strings.NewReader("another"), "HashMismatch", 5},
		{"what came is not what was meant", 5, strings.NewReader("another"), "FileInterrupted", 0},
		{"a part comes once more", 0, breaks(text[:9]), "AgentFiles", 9},
		{"the rest comes", 9, strings.NewReader(text[9:]), "", 0},
		{"the rest comes after another has put it", 9, strings.NewReader(text[9:]), "", 0},
	} {
		if reason := put(step.offset, step.r); reason != step.reason {
			t.Errorf("%s: the reason is %q, want %q", step.what, reason, step.reason)
		}
		if n := lacking().Begun[hash]; n != step.begun {
			t.Errorf("%s: %d bytes have come, want %d", step.what, n, step.begun)
		}
	}
	if b, err := os.ReadFile(s.cached(hash)); err != nil || string(b) != text || len(s.parts()) > 0 {
		t.Errorf("it is %q, %v; left are %v", b, err, s.parts())
	}
}
