package blob_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/zaffre-ml/zaffre/internal/api/blob"
	"github.com/zaffre-ml/zaffre/internal/api/httpx"
	bytestore "github.com/zaffre-ml/zaffre/internal/blob"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/object"
	"github.com/zaffre-ml/zaffre/internal/store"
	"github.com/zaffre-ml/zaffre/internal/store/sqlstore"
)

var update = flag.Bool("update", false, "write the golden files")

const limit = 1000 // bytes of one request

// rig is the face before a store, in which a grant's kind and owner are an owner's name.
type rig struct {
	http.Handler
	blob.Signer
	files *object.Store
	users []string
}

func newRig(t testing.TB) *rig {
	t.Helper()
	dir := t.TempDir()
	db, err := sqlstore.OpenWith(t.Context(), "sqlite:"+filepath.Join(dir, "z.db"), slog.New(slog.DiscardHandler), sqlstore.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	blobs, err := bytestore.NewDir(filepath.Join(dir, "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { blobs.Close() })
	r := &rig{Signer: blob.Signer{Key: []byte("key")}, files: object.New(db.Artifacts(), blobs)}
	r.Handler = blob.New(blob.Deps{
		Signer: r.Signer, Parts: r.files, Limit: limit,
		Stat: func(ctx context.Context, g blob.Grant) (object.File, error) {
			return r.files.Get(ctx, g.Kind+g.Owner, g.Path)
		},
		Open: func(ctx context.Context, _ blob.Grant, f object.File, offset int64) (io.ReadCloser, error) {
			return r.files.OpenFile(ctx, f, offset)
		},
		Put: func(ctx context.Context, g blob.Grant, body io.Reader) (object.File, error) {
			if err := object.CheckPath(g.Path); err != nil {
				return object.File{}, err
			}
			r.users = append(r.users, identity.From(ctx).Name)
			return r.files.Put(ctx, g.Kind+g.Owner, g.Path, body)
		},
	})
	return r
}

// grant is one of the workspace ws.
func grant(kind, path string) blob.Grant {
	return blob.Grant{Workspace: "ws", Kind: kind, Owner: "o", Path: path, User: "ann", Until: time.Now().Add(time.Hour)}
}

// do sends a request to an address, with header "Name: value" and more of the query.
func (r *rig) do(t testing.TB, method, address, query, body string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	if query != "" {
		u.RawQuery = query + "&" + u.RawQuery
	}
	q := httptest.NewRequestWithContext(t.Context(), method, u.RequestURI(), strings.NewReader(body))
	for _, h := range header {
		name, value, _ := strings.Cut(h, ": ")
		q.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	r.ServeHTTP(w, q)
	return w
}

var times = regexp.MustCompile(`\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT`)

// TestGolden sends the requests of testdata, as Azure's clients send them, and compares the answers. A request is
// "NUMBER. METHOD r|w:KIND:PATH QUERY HEADER: VALUE", with its body; r and w are the sorts of address.
func TestGolden(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no golden files")
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			golden(t, newRig(t), file)
		})
	}
}

func golden(t *testing.T, r *rig, file string) {
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got, until := &txtar.Archive{Comment: a.Comment}, time.Now().Add(time.Hour)
	for _, f := range a.Files {
		number, rest, request := strings.Cut(f.Name, ". ")
		if !request {
			continue
		}
		words := strings.SplitN(rest, " ", 4)
		words = append(words, "", "")[:4]
		sort, kind, path := cut(words[1])
		g := grant(kind, path)
		g.Until = until // the same address for all blocks of a file
		address := r.ReadURL("h", g)
		if sort == "w" {
			address = r.WriteURL("h", g)
		}
		w := r.do(t, words[0], address, strings.Trim(words[2], "-"), strings.TrimSuffix(string(f.Data), "\n"), strings.Split(words[3], "; ")...)
		got.Files = append(got.Files, f, txtar.File{Name: number, Data: shown(w)})
	}
	if *update {
		if err := os.WriteFile(file, txtar.Format(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(txtar.Format(a)), string(txtar.Format(got))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func cut(address string) (sort, kind, path string) {
	sort, rest, _ := strings.Cut(address, ":")
	kind, path, _ = strings.Cut(rest, ":")
	return sort, kind, path
}

// shown is an answer as text, its headers in their order.
func shown(w *httptest.ResponseRecorder) []byte {
	var b bytes.Buffer
	fmt.Fprintln(&b, w.Code)
	var lines []string
	for name, values := range w.Header() {
		lines = append(lines, name+": "+times.ReplaceAllString(strings.Join(values, " | "), "{time}"))
	}
	slices.Sort(lines)
	for _, l := range lines {
		fmt.Fprintln(&b, l)
	}
	if w.Body.Len() > 0 {
		fmt.Fprintf(&b, "\n%s\n", strings.TrimSuffix(w.Body.String(), "\n"))
	}
	return b.Bytes()
}

// TestAddressesAreRefused changes addresses in every part: none of them opens anything.
func TestAddressesAreRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	secret, other := grant("run", "secret.txt"), grant("run", "mine.txt")
	write, read := r.WriteURL("h", other), r.ReadURL("h", other)
	for _, g := range []blob.Grant{secret, other} {
		if w := r.do(t, http.MethodPut, r.WriteURL("h", g), "", "x"); w.Code != http.StatusCreated {
			t.Fatalf("%d: %s", w.Code, w.Body)
		}
	}
	late := other
	late.Until = time.Now().Add(-time.Second)
	edit := func(address string, change func(q url.Values)) string {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		change(q)
		u.RawQuery = q.Encode()
		return u.String()
	}
	swapped := func(q url.Values) { // another grant with this signature
		u, _ := url.Parse(r.WriteURL("h", secret))
		q.Set("si", u.Query().Get("si"))
	}
	for name, c := range map[string]struct{ method, address, why string }{
		"no query":              {"GET", "https://h/zblob/run/secret.txt", "signature"},
		"no signature":          {"GET", edit(read, func(q url.Values) { q.Del("sig") }), "signature"},
		"empty signature":       {"GET", edit(read, func(q url.Values) { q.Set("sig", "") }), "signature"},
		"a signature cut":       {"GET", edit(read, func(q url.Values) { q.Set("sig", q.Get("sig")[:8]) }), "signature"},
		"another's grant":       {"GET", edit(read, swapped), "signature"},
		"another key":           {"GET", blob.Signer{Key: []byte("key2")}.ReadURL("h", other), "signature"},
		"no key":                {"GET", blob.Signer{}.ReadURL("h", other), "signature"},
		"a grant that is none":  {"GET", edit(read, func(q url.Values) { q.Set("si", "e30") }), "signature"},
		"a grant in other form": {"GET", edit(read, func(q url.Values) { q.Set("si", base64.StdEncoding.EncodeToString([]byte(`{"w":"ws"}`))) }), "signature"},
		"written, to read":      {"PUT", read, "to read from"},
		"a block, to read":      {"PUT", edit(read, func(q url.Values) { q.Set("comp", "block"); q.Set("blockid", "QQ==") }), "to read from"},
		"a list, to read":       {"PUT", edit(read, func(q url.Values) { q.Set("comp", "blocklist") }), "to read from"},
		"too late to read":      {"GET", r.ReadURL("h", late), "good until"},
		"too late to write":     {"PUT", r.WriteURL("h", late), "good until"},
		"too late to ask":       {"HEAD", r.ReadURL("h", late), ""},
	} {
		w := r.do(t, c.method, c.address, "", "changed")
		if w.Code != http.StatusForbidden || w.Header().Get("X-Ms-Error-Code") != "AuthenticationFailed" || !strings.Contains(w.Body.String(), c.why) {
			t.Errorf("%s: %d %v %s", name, w.Code, w.Header(), w.Body)
		}
		if strings.Contains(w.Body.String(), "sig=") {
			t.Errorf("%s: the answer tells the address: %s", name, w.Body)
		}
	}
	for _, address := range []string{read, r.ReadURL("h", secret)} {
		if w := r.do(t, http.MethodGet, address, "", ""); w.Body.String() != "x" {
			t.Errorf("the file holds %q", w.Body)
		}
	}
	if w := r.do(t, http.MethodPut, write, "", "y"); w.Code != http.StatusCreated {
		t.Errorf("the address itself: %d", w.Code)
	}
}

// TestThePathSaysNothing has an address lead elsewhere by its path: the grant counts, which is signed.
func TestThePathSaysNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.do(t, http.MethodPut, r.WriteURL("h", grant("run", "mine.txt")), "", "mine")
	r.do(t, http.MethodPut, r.WriteURL("h", grant("model", "other.txt")), "", "other")
	_, query, _ := strings.Cut(r.ReadURL("h", grant("run", "mine.txt")), "?")
	for _, path := range []string{"/zblob/model/other.txt", "/zblob/run/../model/other.txt", "/zblob/run/%2e%2e/%2e%2e/etc/passwd", "/zblob/", "/zblob/run/mine.txt"} {
		if w := r.do(t, http.MethodGet, "https://h"+path+"?"+query, "", ""); w.Body.String() != "mine" {
			t.Errorf("%s: %d %q", path, w.Code, w.Body)
		}
	}
	for _, path := range []string{"../x", "a/../../x", "/etc/passwd", "a//b", "", ".", "a\x00b", "a\nb"} {
		w := r.do(t, http.MethodPut, r.WriteURL("h", grant("run", path)), "", "x")
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "ArtifactPathInvalid") {
			t.Errorf("a file %q: %d %s", path, w.Code, w.Body)
		}
	}
	if diff := cmp.Diff([]string{"ann", "ann"}, r.users); diff != "" {
		t.Errorf("on whose behalf was written (-want +got):\n%s", diff)
	}
}

// TestNothingOfABrokenUploadStays sends bodies that must not become files.
func TestNothingOfABrokenUploadStays(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := grant("run", "a")
	address := r.WriteURL("h", g)
	whole := `<BlockList><Latest>YQ==</Latest></BlockList>`
	r.do(t, http.MethodPut, address, "", "old")
	r.do(t, http.MethodPut, address, "comp=block&blockid=YQ==", "a")
	for name, c := range map[string]struct {
		query, body, header string
		status              int
		reason              string
	}{
		"too large":             {"", strings.Repeat("x", limit+1), "", 400, "BodyTooLarge"},
		"a block too large":     {"comp=block&blockid=Yg==", strings.Repeat("x", limit+1), "", 400, "BodyTooLarge"},
		"other bytes":           {"", "x", "Content-MD5: AAAAAAAAAAAAAAAAAAAAAA==", 400, "ChecksumMismatch"},
		"a block without an ID": {"comp=block", "x", "", 400, "BlockListInvalid"},
		"an ID too long":        {"comp=block&blockid=" + strings.Repeat("a", 101), "x", "", 400, "BlockListInvalid"},
		"a block not sent":      {"comp=blocklist", `<BlockList><Latest>YQ==</Latest><Latest>Yg==</Latest></BlockList>`, "", 400, "BlockListInvalid"},
		"no XML":                {"comp=blocklist", "{}", "", 400, "BlockListInvalid"},
		"XML cut":               {"comp=blocklist", whole[:30], "", 400, "BlockListInvalid"},
		"too many blocks":       {"comp=blocklist", "<BlockList>" + strings.Repeat("<Latest>YQ==</Latest>", 50_001) + "</BlockList>", "", 400, "BlockListInvalid"},
		"an end elsewhere":      {"comp=appendblock", "x", "X-Ms-Blob-Condition-Appendpos: 2", 412, "AppendPositionChanged"},
		"an end too far":        {"comp=appendblock", "x", "X-Ms-Blob-Condition-Maxsize: 3", 412, "AppendTooLarge"},
		"another end":           {"comp=appendblock", "x", "Content-MD5: AAAAAAAAAAAAAAAAAAAAAA==", 400, "ChecksumMismatch"},
		"something else":        {"comp=a.b-c", "", "", 400, "BlobOperationUnsupported"},
		"a lease":               {"comp=lease", "", "", 400, "BlobOperationUnsupported"},
	} {
		var header []string
		if c.header != "" {
			header = append(header, c.header)
		}
		w := r.do(t, http.MethodPut, address, c.query, c.body, header...)
		if w.Code != c.status || !strings.Contains(w.Body.String(), "["+c.reason+"]") {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if name == "something else" && strings.Contains(w.Body.String(), "a.b-c") {
			t.Errorf("what the client says is repeated: %s", w.Body)
		}
		if got := r.do(t, http.MethodGet, address, "", "").Body.String(); got != "old" {
			t.Errorf("%s: it holds %q", name, got)
		}
	}
	if w := r.do(t, http.MethodDelete, address, "", ""); w.Code != http.StatusBadRequest {
		t.Errorf("DELETE: %d", w.Code)
	}
	if w := r.do(t, http.MethodPut, address, "comp=blocklist", whole); w.Code != http.StatusCreated || r.do(t, http.MethodGet, address, "", "").Body.String() != "a" {
		t.Errorf("the block that came before: %d %s", w.Code, w.Body)
	}
	if left, _, err := r.files.List(t.Context(), "", "", store.Page{}); err != nil || len(left) != 1 {
		t.Errorf("there are %v, %v", left, err)
	}
}

// TestManyWriteAtTheEnd has several clients write at the end of a file at once: nothing is lost.
func TestManyWriteAtTheEnd(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := grant("run", "log")
	if w := r.do(t, http.MethodPut, r.WriteURL("h", g), "comp=appendblock", "x"); w.Code != http.StatusNotFound {
		t.Errorf("before there is a file: %d %s", w.Code, w.Body)
	}
	r.do(t, http.MethodPut, r.WriteURL("h", g), "", "", "X-Ms-Blob-Type: AppendBlob")
	var all sync.WaitGroup
	const n = 20
	for range n {
		all.Go(func() { r.do(t, http.MethodPut, r.WriteURL("h", g), "comp=appendblock", "line\n") })
	}
	all.Wait()
	if got := r.do(t, http.MethodGet, r.ReadURL("h", g), "", "").Body.String(); got != strings.Repeat("line\n", n) {
		t.Errorf("it holds %q", got)
	}
}

// TestBlocksOfDeadClientsGo has a client die after a block, and another one send the same file meanwhile.
func TestBlocksOfDeadClientsGo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		dead, alive := grant("run", "a"), grant("run", "a")
		alive.Until = alive.Until.Add(time.Second) // an address of its own
		for _, g := range []blob.Grant{dead, alive} {
			r.do(t, http.MethodPut, r.WriteURL("h", g), "comp=block&blockid=YQ==", g.Until.String())
		}
		time.Sleep(30 * time.Minute)
		w := r.do(t, http.MethodPut, r.WriteURL("h", alive), "comp=blocklist", `<BlockList><Uncommitted>YQ==</Uncommitted></BlockList>`)
		if w.Code != http.StatusCreated {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		count := func() int {
			if _, err := r.files.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			files, _, err := r.files.List(t.Context(), "", "", store.Page{})
			if err != nil {
				t.Fatal(err)
			}
			return len(files)
		}
		if n := count(); n != 2 {
			t.Errorf("%d files: the dead one's block may be gone on with for an hour", n)
		}
		time.Sleep(object.Wait)
		if n := count(); n != 1 {
			t.Errorf("%d files are left, want the one that was made", n)
		}
		f, err := r.files.Get(t.Context(), "runo", "a")
		if err != nil || f.Size != int64(len(alive.Until.String())) {
			t.Errorf("it is %+v, %v", f, err)
		}
	})
}

// FuzzRequests sends anything to addresses that are good: the face answers, and never with 500.
func FuzzRequests(f *testing.F) {
	r := newRig(f)
	f.Add("PUT", "comp=block&blockid=QQ", "x", "bytes=0-1")
	f.Add("PUT", "comp=blocklist", "<BlockList><Latest>QQ</Latest></BlockList>", "")
	f.Add("GET", "", "", "bytes=5-2,-1")
	f.Add("HEAD", "comp=list", "", "bytes=-")
	f.Add("PUT", "comp=blocklist", "<a><a><!-- --><b/>", "")
	r.do(f, http.MethodPut, r.WriteURL("h", grant("run", "a")), "", "content")
	f.Fuzz(func(t *testing.T, method, query, body, ranges string) {
		if !slices.Contains([]string{"PUT", "GET", "HEAD", "POST", "DELETE"}, method) {
			t.Skip()
		}
		q := httptest.NewRequestWithContext(t.Context(), method, r.path(t), strings.NewReader(body))
		q.URL.RawQuery += "&" + query
		q.Header["X-Ms-Range"] = []string{ranges}
		w := httptest.NewRecorder()
		r.ServeHTTP(w, q)
		if w.Code >= 500 {
			t.Errorf("%s ?%s %q %q: %d %s", method, query, body, ranges, w.Code, w.Body)
		}
	})
}

func (r *rig) path(t testing.TB) string {
	u, err := url.Parse(r.WriteURL("h", grant("run", "a")))
	if err != nil {
		t.Fatal(err)
	}
	return u.RequestURI()
}

// FuzzGrant opens what somebody made up: only what was signed opens.
func FuzzGrant(f *testing.F) {
	s := blob.Signer{Key: []byte("key")}
	f.Add(s.WriteURL("h", blob.Grant{Path: "a", Until: time.Now().Add(time.Hour)}))
	f.Add("https://h/zblob/?si=e30&sig=")
	f.Add("%zz")
	f.Fuzz(func(t *testing.T, address string) {
		g, err := s.Of(address)
		if err != nil {
			return
		}
		u, _ := url.Parse(address)
		again, _ := url.Parse(s.WriteURL("h", g))
		if u.Query().Get("sig") != again.Query().Get("sig") {
			t.Errorf("%s opens %+v, which was never signed", address, g)
		}
	})
}

// serveTLS serves the face as its clients need it.
func (r *rig) serveTLS(t *testing.T) *httptest.Server {
	s := httptest.NewUnstartedServer(httpx.Chain(r, httpx.Requests(slog.New(slog.DiscardHandler), blob.WriteFault, nil)))
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}
