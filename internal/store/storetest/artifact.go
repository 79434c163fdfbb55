package storetest

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/object"
	"github.com/zaffre-ml/zaffre/internal/store"
)

func testFiles(t *testing.T, open func(*testing.T) Store) {
	on(t, open, "keeps a file with its bytes", keepsFile)
	on(t, open, "keeps nothing that is doomed", keepsNothingDoomed)
	on(t, open, "replaces and deletes", loosensBlobs)
	on(t, open, "expires owners", expiresOwners)
	on(t, open, "shares", sharesFiles)
	on(t, open, "shares files of before", sharesOldFiles)
	on(t, open, "never dooms what is shared meanwhile", sharesWhileSwept)
}

// upload keeps a file as object.Store does.
func upload(t *testing.T, s Store, owner, path, blob string) object.File {
	t.Helper()
	f := object.File{Owner: owner, Path: path, Blob: blob, Size: 1, Created: epoch}
	must(t, s.Artifacts().Begin(t.Context(), blob, time.Now().Add(time.Hour)))
	must(t, s.Artifacts().Keep(t.Context(), f))
	return f
}

// doomed returns what Doom does a day later.
func doomed(t *testing.T, s Store) string {
	t.Helper()
	names, err := s.Artifacts().Doom(t.Context(), time.Now().Add(24*time.Hour), 1000)
	must(t, err)
	return strings.Join(names, " ")
}

func paths(t *testing.T, s Store, owner string) string {
	t.Helper()
	files, _, err := s.Artifacts().List(t.Context(), object.Filter{Owner: owner}, store.Page{Limit: 1000})
	must(t, err)
	var out []string
	for _, f := range files {
		out = append(out, f.Path+"="+object.BlobOf(f))
	}
	return strings.Join(out, " ")
}

func keepsFile(t *testing.T, s Store) {
	f := upload(t, s, "r", "a", "b1")
	got, err := s.Artifacts().Get(t.Context(), f.Key())
	must(t, err)
	if diff := cmp.Diff(f, got); diff != "" {
		t.Errorf("file (-want +got):\n%s", diff)
	}
	if got := doomed(t, s); got != "" {
		t.Errorf("doomed %q, which a file names", got)
	}
	err = s.Artifacts().Keep(t.Context(), object.File{Owner: "r", Path: "b", Blob: "never begun"})
	if fault.ReasonOf(err) != "UploadExpired" {
		t.Errorf("Keep without Begin returned %v", err)
	}
}

func keepsNothingDoomed(t *testing.T, s Store) {
	ctx := t.Context()
	must(t, s.Artifacts().Begin(ctx, "late", time.Now().Add(time.Hour)))
	if got, err := s.Artifacts().Doom(ctx, time.Now(), 10); err != nil || len(got) > 0 {
		t.Errorf("doomed %v, %v before its time", got, err)
	}
	for range 2 { // whoever died before Forget does it again
		if got := doomed(t, s); got != "late" {
			t.Errorf("doomed %q, want what was never kept", got)
		}
	}
	for name, err := range map[string]error{
		"Keep":  s.Artifacts().Keep(ctx, object.File{Owner: "r", Path: "a", Blob: "late"}),
		"Begin": s.Artifacts().Begin(ctx, "late", time.Now().Add(time.Hour)),
	} {
		if fault.ReasonOf(err) != "UploadExpired" {
			t.Errorf("%s of a doomed blob returned %v", name, err)
		}
	}
	must(t, s.Artifacts().Forget(ctx, "late"))
	if got := doomed(t, s) + paths(t, s, "r"); got != "" {
		t.Errorf("left %q", got)
	}
}

func loosensBlobs(t *testing.T, s Store) {
	upload(t, s, "r", "a", "b1")
	upload(t, s, "r", "a", "b2")
	upload(t, s, "r", "b", "b3")
	must(t, s.Artifacts().Delete(t.Context(), store.Key{Workspace: "r", Name: "b"}))
	must(t, s.Artifacts().Delete(t.Context(), store.Key{Workspace: "r", Name: "b"}))
	if got, want := paths(t, s, "r"), "a=b2"; got != want {
		t.Errorf("files %q, want %q", got, want)
	}
	if got, want := doomed(t, s), "b1 b3"; got != want {
		t.Errorf("doomed %q, want %q", got, want)
	}
	must(t, s.Artifacts().Clear(t.Context(), "r"))
	if got, want := doomed(t, s), "b1 b2 b3"; got != want {
		t.Errorf("doomed %q, want %q", got, want)
	}
}

func sharesFiles(t *testing.T, s Store) {
	ctx := t.Context()
	for i, path := range []string{"outputs/model", "outputs/model/a", "outputs/model/b/c", "outputs/model-2/a", "outputs/modela"} {
		upload(t, s, "r", path, fmt.Sprint("b", i))
	}
	for _, c := range []struct {
		link object.Link
		n    int
		want string
	}{
		{object.Link{From: "r", Path: "outputs/model", To: "v1"}, 3, "a=b1 b/c=b2 model=b0"},
		{object.Link{From: "r", Path: "outputs/model/b", To: "v2", At: "x/y"}, 1, "x/y/c=b2"},
		{object.Link{From: "r", Path: "outputs/modela", To: "v3"}, 1, "modela=b4"},
		{object.Link{From: "r", To: "v4"}, 5, "outputs/model=b0 outputs/model-2/a=b3 outputs/model/a=b1 outputs/model/b/c=b2 outputs/modela=b4"},
		{object.Link{From: "r", Path: "outputs/mode", To: "v5"}, 0, ""},
		{object.Link{From: "q", To: "v6"}, 0, ""},
	} {
		for range 2 {
			if n, err := s.Artifacts().Share(ctx, c.link); err != nil || n != c.n {
				t.Errorf("%+v: shared %d, %v; want %d", c.link, n, err, c.n)
			}
		}
		if diff := cmp.Diff(c.want, paths(t, s, c.link.To)); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", c.link, diff)
		}
	}
	for _, owner := range []string{"r", "v4"} {
		must(t, s.Artifacts().Clear(ctx, owner))
	}
	if got, want := doomed(t, s), "b3"; got != want {
		t.Errorf("doomed %q, want %q", got, want)
	}
}

func sharesOldFiles(t *testing.T, s Store) {
	old := object.File{Owner: "r", Path: "a", Size: 1, Created: epoch}
	must(t, s.Artifacts().Insert(t.Context(), old))
	name := object.BlobOf(old)
	if n, err := s.Artifacts().Share(t.Context(), object.Link{From: "r", To: "v"}); err != nil || n != 1 {
		t.Fatalf("shared %d, %v", n, err)
	}
	must(t, s.Artifacts().Clear(t.Context(), "v"))
	if got := doomed(t, s) + " " + paths(t, s, "r"); got != " a="+name {
		t.Errorf("got %q, want the file of before with its bytes", got)
	}
	must(t, s.Artifacts().Clear(t.Context(), "r"))
	if got := doomed(t, s); got != name {
		t.Errorf("doomed %q, want %q", got, name)
	}
}

// sharesWhileSwept shares files that are deleted at the same time, while both are swept: what a file
// names is never doomed.
func sharesWhileSwept(t *testing.T, s Store) {
	const n = 40
	for i := range n {
		upload(t, s, fmt.Sprint("from", i), "a", fmt.Sprint("b", i))
	}
	swept := map[string]bool{}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			names, err := s.Artifacts().Doom(t.Context(), time.Now().Add(24*time.Hour), 1000)
			if err != nil {
				t.Error(err)
				return
			}
			for _, name := range names {
				swept[name] = true
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	var wg sync.WaitGroup
	shared := make([]bool, n)
	for i := range n {
		wg.Go(func() {
			k, err := s.Artifacts().Share(t.Context(), object.Link{From: fmt.Sprint("from", i), To: fmt.Sprint("to", i)})
			if err != nil {
				t.Error(err)
			}
			shared[i] = k == 1
		})
		wg.Go(func() {
			if err := s.Artifacts().Clear(t.Context(), fmt.Sprint("from", i)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	close(stop)
	<-done
	doomed(t, s)
	for i := range n {
		if b := fmt.Sprint("b", i); swept[b] && shared[i] {
			t.Errorf("%s was doomed, and a file names it", b)
		}
	}
}

// expiresOwners has files of owners of two kinds expire, each owner's by its newest one.
func expiresOwners(t *testing.T, s Store) {
	rows := s.Artifacts()
	at := func(owner, path string, made time.Time) {
		blob := owner + "-" + path
		must(t, rows.Begin(t.Context(), blob, time.Now().Add(time.Hour)))
		must(t, rows.Keep(t.Context(), object.File{Owner: owner, Path: path, Blob: blob, Created: made}))
	}
	for _, owner := range []string{"w/1", "w/2", "w/2/x", "w/ü", "w", "w0", "v/1"} {
		at(owner, "old", epoch)
	}
	at("w/2", "new", epoch.Add(time.Hour))
	var got []string
	for after := "w/"; ; {
		owners, err := rows.Owners(t.Context(), "w/", after, 2)
		must(t, err)
		if len(owners) == 0 {
			break
		}
		got = append(got, owners...)
		after = owners[len(owners)-1]
	}
	if diff := cmp.Diff([]string{"w/1", "w/2", "w/2/x", "w/ü"}, got); diff != "" {
		t.Errorf("owners (-want +got):\n%s", diff)
	}
	for range 2 { // again it changes nothing
		for _, owner := range append(got, "nobody") {
			must(t, rows.Expire(t.Context(), owner, epoch.Add(time.Hour)))
		}
	}
	for owner, want := range map[string]string{"w/1": "", "w/2": "new=w/2-new old=w/2-old", "w/2/x": "", "w": "old=w-old", "w0": "old=w0-old"} {
		if have := paths(t, s, owner); have != want {
			t.Errorf("%s has %q, want %q", owner, have, want)
		}
	}
	if have := doomed(t, s); have != "w/1-old w/2/x-old w/ü-old" {
		t.Errorf("doomed are %q", have)
	}
	must(t, rows.Expire(t.Context(), "w/2", epoch.Add(time.Hour+time.Microsecond)))
	if have := paths(t, s, "w/2"); have != "" {
		t.Errorf("w/2 has %q after its newest file's time", have)
	}
}
