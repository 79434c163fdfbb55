package object_test

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/object"
)

// TestWaitingFilesExpire has clients die: what they sent goes when nobody can go on with it any more, and what was
// made of it stays.
func TestWaitingFilesExpire(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		l := open(t, dir)
		blocks, code, model := object.Blocks.Owner("b"), object.Content.Owner("ws", "c"), object.Upload.Owner("ws", "LocalUpload", "m")
		for _, owner := range []string{blocks, code, model, "run", "blocksX/b", "uploa/d", "contents"} {
			l.put(t, owner, "a", owner)
		}
		if _, err := l.Share(t.Context(), object.Link{From: model, To: "version"}); err != nil {
			t.Fatal(err)
		}
		there := func() (out []string) {
			for _, owner := range []string{blocks, code, model, "run", "version", "blocksX/b", "uploa/d", "contents"} {
				if l.text(t, owner, "a") != "ArtifactNotFound" {
					out = append(out, owner)
				}
			}
			return out
		}
		all := there()
		l.sleepAndSweep(t, object.Wait)
		if diff := cmp.Diff(all, there()); diff != "" {
			t.Errorf("before the time was over (-want +got):\n%s", diff)
		}
		l.put(t, code, "b", "goes on")
		for range 2 { // it may be repeated
			l.sleepAndSweep(t, time.Second)
			if diff := cmp.Diff([]string{code, "run", "version", "blocksX/b", "uploa/d", "contents"}, there()); diff != "" {
				t.Errorf("after it, of what nobody goes on with (-want +got):\n%s", diff)
			}
		}
		l.sleepAndSweep(t, object.Wait)
		if diff := cmp.Diff([]string{"run", "version", "blocksX/b", "uploa/d", "contents"}, there()); diff != "" {
			t.Errorf("in the end (-want +got):\n%s", diff)
		}
		l.sleepAndSweep(t, object.Grace+time.Second)
		if n := l.bytes(t); n != 5 || l.text(t, "version", "a") != model {
			t.Errorf("%d blobs are left, and the version has %q", n, l.text(t, "version", "a"))
		}
	})
}

func (l *lab) sleepAndSweep(t *testing.T, d time.Duration) {
	t.Helper()
	time.Sleep(d) // of a bubble
	if _, err := l.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestManyExpire has more owners than one page of them.
func TestManyExpire(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		l := open(t, dir)
		for i := range 230 {
			l.put(t, object.Blocks.Owner(fmt.Sprint(i)), "a", "x")
		}
		l.sleepAndSweep(t, object.Wait+time.Second)
		if left, err := l.rows.Owners(t.Context(), "blocks/", "blocks/", 1000); err != nil || len(left) != 0 {
			t.Errorf("left are %v, %v", left, err)
		}
	})
}

// TestKilledWhileExpiring has the database die at each statement of a sweep: an owner's files are all there or all
// gone, and the next sweep ends what this one began.
func TestKilledWhileExpiring(t *testing.T) {
	t.Parallel()
	for _, answered := range []bool{false, true} {
		for n, dead := int64(1), true; dead; n++ {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				l := open(t, dir)
				for _, owner := range []string{object.Blocks.Owner("b"), object.Upload.Owner("u"), "run"} {
					l.put(t, owner, "a", "1")
					l.put(t, owner, "b", "2")
				}
				time.Sleep(object.Wait + time.Second)
				l.dies.DieIn(n, answered)
				_, err := l.Sweep(t.Context())
				if dead = l.dies.Dead(); dead && err == nil && !answered {
					t.Errorf("a sweep whose statement %d failed says nothing", n)
				}
				l.close()
				l = open(t, dir)
				for _, owner := range []string{object.Blocks.Owner("b"), object.Upload.Owner("u")} {
					if got := l.text(t, owner, "a") + " " + l.text(t, owner, "b"); got != "1 2" && got != "ArtifactNotFound ArtifactNotFound" {
						t.Errorf("after the death at statement %d %s has %s", n, owner, got)
					}
				}
				l.sleepAndSweep(t, 0)
				l.sleepAndSweep(t, object.Grace+time.Second)
				if blobs := l.bytes(t); blobs != 2 || l.text(t, "run", "a") != "1" {
					t.Errorf("after the death at statement %d %d blobs are left", n, blobs)
				}
			})
		}
	}
}

// TestUploadOutlivesTheSweep has an upload take longer than the time to wait: it is no file yet, and none of its
// bytes go.
func TestUploadOutlivesTheSweep(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		l := open(t, dir)
		l.put(t, object.Blocks.Owner("b"), "first", "x")
		sent := 0
		slow := readerFunc(func(p []byte) (int, error) {
			l.sleepAndSweep(t, object.Grace/2)
			p[0] = 'y'
			sent++
			return 1, nil
		})
		hours := int(object.Wait/time.Hour) + 1
		if _, err := l.Put(t.Context(), object.Blocks.Owner("b"), "second", io.LimitReader(slow, int64(2*hours))); err != nil {
			t.Fatal(err)
		}
		l.sleepAndSweep(t, time.Second)
		if got := l.text(t, object.Blocks.Owner("b"), "second"); got != strings.Repeat("y", 2*hours) || sent != 2*hours {
			t.Errorf("%d bytes were sent and it holds %q", sent, got)
		}
		if got := l.text(t, object.Blocks.Owner("b"), "first"); got != "ArtifactNotFound" {
			t.Errorf("a block whose address was too old for two days is still there: %q", got)
		}
	})
}
