package snapshot_test

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/zaffre-ml/zaffre/internal/blob"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/snapshot"
)

func newStore(t testing.TB, limits snapshot.Limits) (*snapshot.Blobs, string) {
	t.Helper()
	root := t.TempDir()
	d, err := blob.NewDir(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return snapshot.New(d, limits), root
}

func TestBlobs(t *testing.T) {
	t.Parallel()
	testStore(t, func(t *testing.T) snapshot.Store {
		s, _ := newStore(t, snapshot.Limits{})
		return s
	})
}

type entry struct {
	tar.Header
	text string
}

func regular(text string) entry {
	return entry{tar.Header{Name: hashOf(text), Typeflag: tar.TypeReg, Size: int64(len(text))}, text}
}

func pack(t testing.TB, entries ...entry) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		if err := w.WriteHeader(&e.Header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

func TestReceive(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t, snapshot.Limits{})
	big := strings.Repeat("0123456789abcdef", 1<<17) // 2 MiB: goes around the memory
	texts := []string{"a", "", big, "b"}
	var entries []entry
	var hashes []string
	for _, text := range texts {
		entries = append(entries, regular(text))
		hashes = append(hashes, hashOf(text))
	}
	for range 2 { // sent again, it is fine
		n, err := s.Receive(t.Context(), pack(t, entries...))
		if n != len(texts) || err != nil {
			t.Fatalf("Receive = %d, %v", n, err)
		}
	}
	if missing, err := s.Missing(t.Context(), hashes); len(missing) > 0 || err != nil {
		t.Errorf("missing: %v, %v", missing, err)
	}
	id := commit(t, s, file("big", big, 0o644), file("a", "a", 0o644))
	if diff := cmp.Diff(map[string]string{"a": "644 a", "big": "644 " + big}, content(t, s, id)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestReceiveRefuses(t *testing.T) {
	t.Parallel()
	good, h := regular("good"), hashOf("x")
	small := snapshot.Limits{Files: 3, Bytes: 10_000}
	whole := pack(t, good, regular("more")).Bytes()
	for name, c := range map[string]struct {
		reason string
		pack   io.Reader
	}{
		"a name that leads out": {"PackInvalid", pack(t, entry{tar.Header{Name: "../x", Typeflag: tar.TypeReg, Size: 1}, "x"})},
		"a link":                {"PackInvalid", pack(t, entry{tar.Header{Name: h, Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}, ""})},
		"a hard link":           {"PackInvalid", pack(t, entry{tar.Header{Name: h, Typeflag: tar.TypeLink, Linkname: h}, ""})},
		"a folder":              {"PackInvalid", pack(t, entry{tar.Header{Name: h, Typeflag: tar.TypeDir}, ""})},
		"a device":              {"PackInvalid", pack(t, entry{tar.Header{Name: h, Typeflag: tar.TypeChar}, ""})},
		"not tar":               {"PackInvalid", strings.NewReader(strings.Repeat("hello ", 500))},
		"cut in a file":         {"PackInvalid", bytes.NewReader(whole[:514])},
		"cut in a header":       {"PackInvalid", bytes.NewReader(whole[:1300])},
		"sparse":                {"PackInvalid", sparsePack(t)},
		"another content":       {"HashMismatch", pack(t, entry{tar.Header{Name: h, Typeflag: tar.TypeReg, Size: 1}, "y"})},
		"too many":              {"SnapshotTooLarge", pack(t, regular("1"), regular("2"), regular("3"), regular("4"))},
		"too large":             {"SnapshotTooLarge", pack(t, regular(strings.Repeat("x", 10_001)))},
		"too large together":    {"SnapshotTooLarge", pack(t, regular(strings.Repeat("x", 6000)), regular(strings.Repeat("y", 6000)))},
		"declared enormous":     {"SnapshotTooLarge", enormous()},
		"empty: fine":           {"", pack(t)},
		"within: fine":          {"", pack(t, regular("1"), regular("2"), regular("3"))},
	} {
		s, root := newStore(t, small)
		if _, err := s.Receive(t.Context(), c.pack); fault.ReasonOf(err) != c.reason || (err == nil) != (c.reason == "") {
			t.Errorf("%s: got %v, want reason %q", name, err, c.reason)
		}
		if left, err := os.ReadDir(filepath.Join(root, "temp")); len(left) > 0 || err != nil {
			t.Errorf("%s: left %v, %v", name, left, err)
		}
	}
}

// enormous declares 8 GiB and sends nothing.
func enormous() io.Reader {
	var b bytes.Buffer
	_ = tar.NewWriter(&b).WriteHeader(&tar.Header{Name: hashOf("x"), Typeflag: tar.TypeReg, Size: 8 << 30})
	return &b
}

// sparsePack is a PAX sparse file of 1 GiB that takes a few hundred bytes; Go's writer makes none.
func sparsePack(t *testing.T) io.Reader {
	t.Helper()
	pax := ""
	for _, kv := range []string{"GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.name=" + hashOf("x"), "GNU.sparse.realsize=5000"} {
		n := len(kv) + 4
		pax += fmt.Sprintf("%d %s\n", n, kv)
	}
	b := pack(t, entry{tar.Header{Name: "PaxHeaders.0/x", Typeflag: tar.TypeReg, Size: int64(len(pax))}, pax},
		entry{tar.Header{Name: hashOf("x"), Typeflag: tar.TypeReg, Size: 512}, "1\n0\n0\n" + strings.Repeat("\x00", 506)}).Bytes()
	b[156] = 'x' // the type of the first entry: an extended header
	sum := 8 * int(' ')
	for i, c := range b[:512] {
		if i < 148 || i >= 156 {
			sum += int(c)
		}
	}
	copy(b[148:156], fmt.Sprintf("%06o\x00 ", sum))
	if h, err := tar.NewReader(bytes.NewReader(b)).Next(); err != nil || h.PAXRecords["GNU.sparse.major"] != "1" {
		t.Fatalf("the test's own stream is not sparse: %v, %v", h, err)
	}
	return bytes.NewReader(b)
}

func TestReceiveStopsWithItsContext(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t, snapshot.Limits{})
	gone := fmt.Errorf("the client went away")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	if _, err := s.Receive(ctx, pack(t, regular("a"), regular("b"))); err != gone {
		t.Errorf("got %v", err)
	}
}

func TestLimitsNameTheLargestFiles(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t, snapshot.Limits{Files: 3, Bytes: 100})
	a, b, c, d := file("a", "1", 0), file("model.bin", strings.Repeat("x", 90), 0), file("c", strings.Repeat("y", 20), 0), file("d", "", 0)
	huge := driver.File{Path: "huge", Size: 1<<63 - 1, Hash: a.Hash}
	for _, files := range [][]driver.File{{a, b, c}, {a, c, d, file("e", "", 0)}, {huge, huge, a}} {
		_, err := s.Commit(t.Context(), files)
		wantReason(t, err, fault.Invalid, "SnapshotTooLarge")
		if f := fault.From(err); !strings.Contains(f.Fix, ".amlignore") || !strings.Contains(f.Why, `the largest are "`) {
			t.Errorf("got %v; %s", f, f.Fix)
		}
	}
	_, err := s.Commit(t.Context(), []driver.File{a, c, b})
	if !strings.Contains(fault.From(err).Why, `the largest are "model.bin" (90 bytes), "c" (20 bytes), "a" (1 bytes)`) {
		t.Errorf("got %v", err)
	}
	long := strings.Repeat("z", 101)
	wantReason(t, s.PutFile(t.Context(), hashOf(long), strings.NewReader(long)), fault.Invalid, "SnapshotTooLarge")
}

func TestDamagedManifest(t *testing.T) {
	t.Parallel()
	s, root := newStore(t, snapshot.Limits{})
	id := commit(t, s, put(t, s, "a", "a", 0))
	name := filepath.Join(root, "data", "snapshots", string(id)+".json")
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if hashOf(string(text)) != string(id) {
		t.Error("the ID is not the SHA-256 of the manifest")
	}
	if err := os.WriteFile(name, bytes.Replace(text, []byte(`"a"`), []byte(`"b"`), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = s.Files(t.Context(), id)
	wantReason(t, err, fault.Internal, "SnapshotDamaged")
}

// Any tree that is committed, in any order, comes back as it was and has one ID.
func TestAnyTree(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t, snapshot.Limits{})
	part := rapid.StringOfN(rapid.RuneFrom([]rune("ab.é日\n\"' *")), 1, 3, -1).
		Filter(func(p string) bool { return p != "." && p != ".." })
	rapid.Check(t, func(rt *rapid.T) {
		want, files := map[string]string{}, map[string]driver.File{}
		for range rapid.IntRange(0, 12).Draw(rt, "files") {
			p := strings.Join(rapid.SliceOfN(part, 1, 4).Draw(rt, "path"), "/")
			if through(files, p) {
				continue
			}
			text, mode := rapid.String().Draw(rt, "text"), rapid.SampledFrom([]uint32{0o644, 0o755}).Draw(rt, "mode")
			files[p] = put(t, s, p, text, mode)
			want[p] = fmt.Sprintf("%o %s", mode, text)
		}
		list := sorted(files)
		id, err := s.Commit(t.Context(), list)
		if err != nil {
			rt.Fatal(err)
		}
		rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		if again, err := s.Commit(t.Context(), list); again != id || err != nil {
			rt.Errorf("in another order: %s, %v, want %s", again, err, id)
		}
		if diff := cmp.Diff(want, content(t, s, id)); diff != "" {
			rt.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// through reports whether p and a path of files would be file and folder of each other.
func through(files map[string]driver.File, p string) bool {
	for q := range files {
		if p == q || strings.HasPrefix(p, q+"/") || strings.HasPrefix(q, p+"/") {
			return true
		}
	}
	return false
}

func FuzzReceive(f *testing.F) {
	f.Add(pack(f, regular("a"), regular("b")).Bytes())
	f.Add([]byte("hello"))
	f.Fuzz(func(t *testing.T, p []byte) {
		s, _ := newStore(t, snapshot.Limits{Files: 10, Bytes: 1 << 20})
		n, err := s.Receive(t.Context(), bytes.NewReader(p))
		if n > 10 || (err != nil && fault.CodeOf(err) != fault.Invalid) {
			t.Errorf("Receive = %d, %v", n, err)
		}
	})
}

// A re-submit of an unchanged folder is a Missing and a Commit.
func BenchmarkResubmit2000(b *testing.B) {
	s, _ := newStore(b, snapshot.Limits{})
	var entries []entry
	var files []driver.File
	var hashes []string
	for i := range 2000 {
		text := fmt.Sprintf("print(%d)", i)
		entries = append(entries, regular(text))
		files = append(files, file(fmt.Sprintf("src/%d/%d.py", i%20, i), text, 0o644))
		hashes = append(hashes, files[i].Hash)
	}
	start := time.Now()
	if _, err := s.Receive(b.Context(), pack(b, entries...)); err != nil {
		b.Fatal(err)
	}
	first := time.Since(start)
	if _, err := s.Commit(b.Context(), files); err != nil {
		b.Fatal(err)
	}
	var missing, commit time.Duration
	for b.Loop() {
		start := time.Now()
		if m, err := s.Missing(b.Context(), hashes); len(m) > 0 || err != nil {
			b.Fatal(m, err)
		}
		missing += time.Since(start)
		start = time.Now()
		if _, err := s.Commit(b.Context(), files); err != nil {
			b.Fatal(err)
		}
		commit += time.Since(start)
	}
	b.ReportMetric(float64(first.Milliseconds()), "ms/first")
	b.ReportMetric(float64(missing.Microseconds())/float64(b.N)/1000, "ms/missing")
	b.ReportMetric(float64(commit.Microseconds())/float64(b.N)/1000, "ms/commit")
}
