package registry_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/image"
	"github.com/zaffre-ml/zaffre/internal/image/imagetest"
)

// serve starts a registry, and returns it as the first part of its images' names.
func serve(t *testing.T, dir string) (*imagetest.Lab, string) {
	t.Helper()
	l := imagetest.New(t, dir, nil)
	s := httptest.NewServer(l.Handler)
	t.Cleanup(s.Close)
	return l, strings.TrimPrefix(s.URL, "http://") + "/" + imagetest.Workspace
}

func reference(t *testing.T, ref string) name.Reference {
	t.Helper()
	r, err := name.ParseReference(ref)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// pulled fetches an image and all its bytes.
func pulled(t *testing.T, ref, token string) (v1.Image, error) {
	t.Helper()
	img, err := remote.Image(reference(t, ref), imagetest.By(token))
	if err != nil {
		return nil, err
	}
	return img, validate.Image(img)
}

// status is what the registry refused with: code and word.
func status(err error) string {
	e, ok := err.(*transport.Error)
	switch {
	case err == nil:
		return "200"
	case !ok:
		return err.Error()
	case len(e.Errors) == 0:
		return fmt.Sprint(e.StatusCode)
	}
	return fmt.Sprint(e.StatusCode, " ", e.Errors[0].Code)
}

// TestClient: what the library of crane and ko pushes is pulled with the same bytes, also by a later process.
func TestClient(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l, at := serve(t, dir)
	img, err := random.Image(3<<20, 4)
	if err != nil {
		t.Fatal(err)
	}
	want, _ := img.Digest()
	for _, tag := range []string{"1", "2", "latest"} {
		if err := imagetest.Push(t, at+"/team/train:"+tag, img, imagetest.By(imagetest.Writer)); err != nil {
			t.Fatal(err)
		}
	}
	l.Close()
	_, at = serve(t, dir)
	for _, ref := range []string{at + "/team/train:1", at + "/team/train", at + "/team/train@" + want.String()} {
		got, err := pulled(t, ref, imagetest.Reader)
		if err != nil {
			t.Fatalf("%s: %v", ref, err)
		}
		if d, _ := got.Digest(); d != want {
			t.Errorf("%s is %s, want %s", ref, d, want)
		}
	}
	repository := reference(t, at+"/team/train").Context()
	tags, err := remote.List(repository, imagetest.By(imagetest.Reader), remote.WithPageSize(2))
	if diff := cmp.Diff([]string{"1", "2", "latest"}, tags); diff != "" || err != nil {
		t.Errorf("tags: %v (-want +got):\n%s", err, diff)
	}
	if err := remote.Delete(reference(t, at+"/team/train:2"), imagetest.By(imagetest.Writer)); err != nil {
		t.Error(err)
	}
	if _, err := pulled(t, at+"/team/train:2", imagetest.Reader); status(err) != "404 MANIFEST_UNKNOWN" {
		t.Errorf("a deleted tag: %v", err)
	}
	if err := remote.Delete(reference(t, at+"/team/train@"+want.String()), imagetest.By(imagetest.Writer)); err != nil {
		t.Error(err)
	}
	if _, err := pulled(t, at+"/team/train:1", imagetest.Reader); status(err) != "404 MANIFEST_UNKNOWN" {
		t.Errorf("a tag of a deleted manifest: %v", err)
	}
}

// TestIndex: an index is kept with its images.
func TestIndex(t *testing.T) {
	t.Parallel()
	_, at := serve(t, t.TempDir())
	img := imagetest.Image(t, map[string]string{"a": "b"})
	index := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}})
	if err := remote.WriteIndex(reference(t, at+"/multi:1"), index, imagetest.By(imagetest.Writer)); err != nil {
		t.Fatal(err)
	}
	got, err := remote.Index(reference(t, at+"/multi:1"), imagetest.By(imagetest.Reader))
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(got); err != nil {
		t.Error(err)
	}
}

// TestMount: a blob that another repository of the workspace has is not sent again.
func TestMount(t *testing.T) {
	t.Parallel()
	_, at := serve(t, t.TempDir())
	img, err := random.Image(2<<20, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := imagetest.Push(t, at+"/a:1", img, imagetest.By(imagetest.Writer)); err != nil {
		t.Fatal(err)
	}
	layers, _ := img.Layers()
	d, _ := layers[0].Digest()
	for from, want := range map[string]int{"ws/a": http.StatusCreated, "ws/none": http.StatusAccepted, "other/a": http.StatusAccepted} {
		got, _ := do(t, "POST", at, "/b"+from[:2]+"/blobs/uploads/?mount="+d.String()+"&from="+from, imagetest.Writer, "", nil)
		if got.StatusCode != want {
			t.Errorf("from %s it is %d, want %d", from, got.StatusCode, want)
		}
	}
}

// TestRoles: readers pull, contributors push, a target's login pulls from its workspace while it is attached.
func TestRoles(t *testing.T) {
	t.Parallel()
	l, at := serve(t, t.TempDir())
	img, err := random.Image(1000, 1)
	if err != nil {
		t.Fatal(err)
	}
	login, err := l.For(imagetest.Workspace, "t1").PullLogin(t.Context(), driver.Registry{Own: true, Address: "x:1"}, "")
	if err != nil || login.User != image.PullUser {
		t.Fatalf("%+v, %v", login, err)
	}
	other, _ := l.For("other", "t1").PullLogin(t.Context(), driver.Registry{Own: true, Address: "x:1"}, "")
	for i, c := range []struct{ who, token, push, pull string }{
		{"a contributor", imagetest.Writer, "200", "200"},
		{"a reader", imagetest.Reader, "403 DENIED", "200"},
		{"a target", login.Password, "403 DENIED", "200"},
		{"a stranger", imagetest.Stranger, "403 DENIED", "403 DENIED"},
		{"a target of another workspace", other.Password, "403 DENIED", "403 DENIED"},
		{"a forged login", strings.Replace(login.Password, "t1", "t2", 1), "401 UNAUTHORIZED", "401 UNAUTHORIZED"},
		{"nobody", "wrong", "401 UNAUTHORIZED", "401 UNAUTHORIZED"},
	} {
		if got := status(imagetest.Push(t, fmt.Sprintf("%s/a:%d", at, i), img, imagetest.By(c.token))); !strings.HasPrefix(c.push, got) { // HEAD has no words
			t.Errorf("%s pushes: %s, want %s", c.who, got, c.push)
		}
		if _, err := pulled(t, at+"/a:0", c.token); status(err) != c.pull {
			t.Errorf("%s pulls: %s, want %s", c.who, status(err), c.pull)
		}
	}
	l.Detached["t1"] = true
	if _, err := pulled(t, at+"/a:0", login.Password); status(err) != "401 UNAUTHORIZED" {
		t.Errorf("a detached target pulls: %v", err)
	}
	resp, body := do(t, "GET", strings.TrimSuffix(at, "/ws"), "/", "", "", nil)
	if resp.StatusCode != 401 || resp.Header.Get("WWW-Authenticate") != `Basic realm="zaffre"` || !strings.Contains(body, "docker login") {
		t.Errorf("without a login: %d, %v, %s", resp.StatusCode, resp.Header, body)
	}
}

// do makes one request below a repository's name.
func do(t *testing.T, method, at, path, token, body string, header map[string]string) (*http.Response, string) {
	t.Helper()
	host, rest, _ := strings.Cut(at, "/")
	if !strings.HasPrefix(path, "/v2/") {
		path = "/v2/" + rest + path
	}
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+host+strings.ReplaceAll(path, "//", "/"), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.SetBasicAuth("zaffre", token)
	}
	for k, v := range header {
		r.Header.Set(k, v)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

func sum(s string) string {
	h := sha256.Sum256([]byte(s))
	return "sha256:" + hex.EncodeToString(h[:])
}

// TestUploads: in pieces and in one, what comes twice or out of order, and what is not what it says.
func TestUploads(t *testing.T) {
	t.Parallel()
	_, at := serve(t, t.TempDir())
	var resp *http.Response
	var location string
	for _, c := range []struct {
		what, method, path, body string
		header                   map[string]string
		want                     int
		shown                    string // header Range
	}{
		{"begin", "POST", "/a/blobs/uploads/", "", nil, 202, "0-0"},
		{"a piece", "PATCH", "*", "hello ", map[string]string{"Content-Range": "0-5"}, 202, "0-5"},
		{"the same again", "PATCH", "*", "hello ", map[string]string{"Content-Range": "0-5"}, 416, ""},
		{"a gap", "PATCH", "*", "d", map[string]string{"Content-Range": "10-10"}, 416, ""},
		{"how far", "GET", "*", "", nil, 204, "0-5"},
		{"another piece", "PATCH", "*", "wor", nil, 202, "0-8"},
		{"the end, of another digest", "PUT", "*?digest=" + sum("x"), "ld", nil, 400, ""},
		{"the end", "PUT", "*?digest=" + sum("hello world"), "", nil, 201, ""},
		{"it is there", "HEAD", "/a/blobs/" + sum("hello world"), "", nil, 200, ""},
		{"a range of it", "GET", "/a/blobs/" + sum("hello world"), "", map[string]string{"Range": "bytes=6-"}, 206, ""},
		{"not there", "HEAD", "/b/blobs/" + sum("hello world"), "", nil, 404, ""},
		{"at once", "POST", "/a/blobs/uploads/?digest=" + sum("one"), "one", nil, 201, ""},
		{"at once, of another digest", "POST", "/a/blobs/uploads/?digest=" + sum("two"), "one", nil, 400, ""},
		{"at once, of none", "POST", "/a/blobs/uploads/?digest=md5:00", "one", nil, 400, ""},
		{"begin another", "POST", "/a/blobs/uploads/", "", nil, 202, "0-0"},
		{"all of it at the end", "PUT", "*?digest=" + sum("three"), "three", nil, 201, ""},
		{"without a digest", "PUT", "*", "three", nil, 400, ""},
		{"begin a third", "POST", "/a/blobs/uploads/", "", nil, 202, "0-0"},
		{"empty", "PUT", "*?digest=" + sum(""), "", nil, 201, ""},
		{"begin a fourth", "POST", "/a/blobs/uploads/", "", nil, 202, "0-0"},
		{"give up", "DELETE", "*", "", nil, 204, ""},
		{"a name that cannot be", "POST", "/A/blobs/uploads/", "", nil, 400, ""},
		{"nothing", "GET", "/a/nothing/x", "", nil, 404, ""},
		{"no manifest", "PUT", "/a/manifests/1", "{}", nil, 400, ""},
		{"a manifest without its blobs", "PUT", "/a/manifests/1", `{"schemaVersion":2,"config":{"digest":"` + sum("none") + `","size":1}}`, nil, 400, ""},
		{"a manifest of another digest", "PUT", "/a/manifests/" + sum("x"), `{"schemaVersion":2,"config":{"digest":"` + sum("one") + `","size":3}}`, nil, 400, ""},
		{"a blob is not deleted", "DELETE", "/a/blobs/" + sum("one"), "", nil, 400, ""},
	} {
		var body string
		resp, body = do(t, c.method, at, strings.Replace(c.path, "*", location, 1), imagetest.Writer, c.body, c.header)
		if resp.StatusCode != c.want || c.shown != "" && resp.Header.Get("Range") != c.shown {
			t.Fatalf("%s: %d, range %q, %s, want %d and %q", c.what, resp.StatusCode, resp.Header.Get("Range"), body, c.want, c.shown)
		}
		if c.what == "a range of it" && body != "world" {
			t.Errorf("a range is %q", body)
		}
		if resp.StatusCode == 202 {
			location = resp.Header.Get("Location")
		}
		if resp.StatusCode >= 400 && c.method != "HEAD" && !bytes.Contains([]byte(body), []byte(`"errors":[{"code":"`)) {
			t.Errorf("%s: the answer is %s", c.what, body)
		}
	}
}

// TestCollect: what lost its tag goes when nobody used it for a week; its bytes are swept.
func TestCollect(t *testing.T) {
	t.Parallel()
	l, at := serve(t, t.TempDir())
	var digests []string
	for range 2 {
		img, err := random.Image(1000, 1)
		if err != nil {
			t.Fatal(err)
		}
		d, _ := img.Digest()
		digests = append(digests, d.String())
		if err := imagetest.Push(t, at+"/a:1", img, imagetest.By(imagetest.Writer)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := pulled(t, at+"/a@"+digests[0], imagetest.Reader); err != nil {
		t.Errorf("what lost its tag a moment ago: %v", err)
	}
	l.Age(t, imagetest.Workspace, "a", 8*24*time.Hour)
	img, err := random.Image(1000, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := imagetest.Push(t, at+"/a:2", img, imagetest.By(imagetest.Writer)); err != nil {
		t.Fatal(err)
	}
	if _, err := pulled(t, at+"/a@"+digests[0], imagetest.Reader); status(err) != "404 MANIFEST_UNKNOWN" {
		t.Errorf("what lost its tag long ago: %v", err)
	}
	for _, ref := range []string{"/a:1", "/a:2", "/a@" + digests[1]} {
		if _, err := pulled(t, at+ref, imagetest.Reader); err != nil {
			t.Errorf("%s: %v", ref, err)
		}
	}
	if n := l.Blobs(t, imagetest.Workspace, "a"); n != 4 {
		t.Errorf("%d blobs are left, want 4", n)
	}
}
