package local_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// large is code of one large file, and breaks off once where the test wants it.
type large struct {
	data  []byte
	read  atomic.Int64
	at    int64
	once  sync.Once
	broke func() error
}

func newLarge(broke func() error) *large {
	return &large{data: bytes.Repeat([]byte("0123456789abcdef"), 1<<19), at: 6 << 20, broke: broke}
}

func (l *large) hash() string { return fmt.Sprintf("%x", sha256.Sum256(l.data)) }

func (l *large) Manifest(context.Context) ([]driver.File, error) {
	return []driver.File{{Path: "large", Mode: 0o644, Size: int64(len(l.data)), Hash: l.hash()}}, nil
}

func (l *large) OpenHash(context.Context, string) (io.ReadCloser, error) {
	return &reading{Reader: bytes.NewReader(l.data), of: l}, nil
}

type reading struct {
	*bytes.Reader
	of *large
}

func (r *reading) Read(p []byte) (n int, err error) {
	if r.Size()-int64(r.Len()) >= r.of.at {
		r.of.once.Do(func() { err = r.of.broke() })
	}
	if err == nil {
		n, err = r.Reader.Read(p)
		r.of.read.Add(int64(n))
	}
	return n, err
}

func (r *reading) Close() error { return nil }

// TestCodeGoesOn: a file of the code whose stream breaks off goes on there, and begins anew where that cannot be.
func TestCodeGoesOn(t *testing.T) {
	t.Parallel()
	const most = 4 << 20 // of the 8 MiB, of which 6 have come but for what was on its way
	for _, tt := range []struct {
		name        string
		kill, spoil bool
		reason      string // of the second start
	}{
		{name: "its stream breaks"},
		{name: "the agent is killed", kill: true},
		{name: "what came is damaged", spoil: true, reason: "FileInterrupted"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := open(t, "same")
			code := newLarge(func() error {
				if tt.kill {
					crash(t, b.conn.(driver.Conn))
					return nil
				}
				return io.ErrUnexpectedEOF
			})
			j := newJob("sha256sum", "large")
			j.Files = code
			if _, err := b.Start(b.ctx, j); !fault.Retryable(err) {
				t.Fatalf("with its stream broken the start is %v", err)
			}
			if tt.kill {
				b.connect()
			}
			parts, _ := filepath.Glob(filepath.Join(b.target.Options["workDirectory"].(string), "files", "parts", "*"))
			if len(parts) != 1 {
				t.Fatalf("the parts are %q", parts)
			}
			if tt.spoil {
				if err := os.WriteFile(parts[0], []byte("damaged"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			before := code.read.Load()
			_, err := b.Start(b.ctx, j)
			if fault.ReasonOf(err) != tt.reason || err != nil && !fault.Retryable(err) {
				t.Fatalf("the second start is %v", err)
			}
			if read := code.read.Load() - before; tt.reason == "" && read > most {
				t.Errorf("%d bytes were sent once more", read)
			}
			if _, st, log := b.run(j); st.State != driver.JobDone || !strings.HasPrefix(log, code.hash()) {
				t.Errorf("the job is %+v, and says %q", st, log)
			}
		})
	}
}

// TestCodeAtOnce: two who send the same file do not get in each other's way.
func TestCodeAtOnce(t *testing.T) {
	t.Parallel()
	b := open(t, "same")
	var within, all sync.WaitGroup // within the file
	within.Add(2)
	for range 2 {
		code := newLarge(func() error { within.Done(); within.Wait(); return nil })
		j := newJob("sha256sum", "large")
		j.Files = code
		all.Go(func() {
			if _, st, log := b.run(j); st.State != driver.JobDone || !strings.HasPrefix(log, code.hash()) {
				t.Errorf("the job is %+v, and says %q", st, log)
			}
		})
	}
	all.Wait()
}
