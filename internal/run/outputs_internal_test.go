package run

import (
	"bytes"
	"crypto/rand"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

var away = &fault.Error{Code: fault.Unavailable, Reason: "AgentGone", What: "the agent does not answer", Why: "its connection broke", Fix: "nothing"}

// breaks ends a stream with an error where the stream would go on.
type breaks struct {
	io.Reader
	err error
}

func (b breaks) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF {
		err = b.err
	}
	return n, err
}

// TestOutputGoesOn: a file whose stream breaks off again and again, or ends too soon, is read once, each byte of it.
func TestOutputGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const piece = 64 << 10
		text := make([]byte, 20*piece+1)
		_, _ = rand.Read(text)
		opened, sent := 0, 0
		o := &output{ctx: t.Context(), size: int64(len(text)), open: func(offset int64) (io.ReadCloser, error) {
			if opened++; opened%3 == 0 {
				return nil, away
			}
			rest := text[offset:]
			if len(rest) <= piece {
				sent += len(rest)
				return io.NopCloser(bytes.NewReader(rest)), nil
			}
			sent += piece
			end := error(away)
			if opened%3 == 1 {
				end = io.EOF
			}
			return io.NopCloser(breaks{bytes.NewReader(rest[:piece]), end}), nil
		}}
		defer o.Close()
		if got, err := io.ReadAll(o); err != nil || !bytes.Equal(got, text) || sent != len(text) {
			t.Errorf("of %d bytes %d came, after %d were sent; %v", len(text), len(got), sent, err)
		}
	})
}

// TestOutputGivesUp: who stays away is not waited for long, and who answers that there is no such file not at all.
func TestOutputGivesUp(t *testing.T) {
	t.Parallel()
	for code, within := range map[fault.Code]time.Duration{fault.Unavailable: 2 * outputPatience, fault.NotFound: time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			start, opened := time.Now(), 0
			o := &output{ctx: t.Context(), open: func(int64) (io.ReadCloser, error) {
				opened++
				return nil, &fault.Error{Code: code, Reason: "Some", What: "it fails"}
			}}
			_, err := io.ReadAll(o)
			if took := time.Since(start); fault.CodeOf(err) != code || took > within || (code == fault.Unavailable) != (took > outputPatience) {
				t.Errorf("asked %d times, after %s it says %v", opened, took, err)
			}
		})
	}
}

// TestOutputShort: less than what was listed is not the file.
func TestOutputShort(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := &output{ctx: t.Context(), size: 3, open: func(offset int64) (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader([]byte("ab")[offset:])), nil
		}}
		defer o.Close()
		if got, err := io.ReadAll(o); string(got) != "ab" || fault.ReasonOf(err) != "OutputShort" || !fault.Retryable(err) {
			t.Errorf("%q, %v", got, err)
		}
	})
}

// TestEach: no more than so many at once, and none after one has failed.
func TestEach(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		list := make([]int, 10)
		for i := range list {
			list[i] = i
		}
		start := time.Now()
		var called [10]bool
		call := func(i int) error {
			called[i] = true
			time.Sleep(time.Second)
			return nil
		}
		if err := each(list, 4, call); err != nil || time.Since(start) != 3*time.Second || called != [10]bool{true, true, true, true, true, true, true, true, true, true} {
			t.Errorf("after %s: %v, %v", time.Since(start), called, err)
		}
		called = [10]bool{}
		err := each(list, 4, func(i int) error {
			_ = call(i)
			if i == 1 {
				return away
			}
			return nil
		})
		if err != away || called[9] || !called[3] { //nolint:errorlint // the same value
			t.Errorf("with one that fails: %v, %v", called, err)
		}
	})
}
