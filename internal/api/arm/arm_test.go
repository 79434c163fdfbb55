package arm_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/zaffre-ml/zaffre/internal/api/arm"
	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/fake"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/secret"
	"github.com/zaffre-ml/zaffre/internal/store/sqlstore"
	"github.com/zaffre-ml/zaffre/internal/workspace"
)

var update = flag.Bool("update", false, "write the golden files")

const (
	installation = "11111111-2222-3333-4444-555555555555"
	ws           = "ws"
)

func vmKind(w *fake.World) driver.Kind {
	k := fake.Kind(w)
	k.Name, k.Attached, k.ComputeTypes = "vm", true, []string{"VirtualMachine"}
	k.Options = append(k.Options,
		driver.Option{Path: "resourceId", Type: driver.String, Help: "which machine it is"},
		driver.Option{Path: "address", Type: driver.String, Help: "where the machine is"},
		driver.Option{Path: "sshPort", Type: driver.Int, Default: int64(22), Help: "its port"},
		driver.Option{Path: "idle", Type: driver.Duration, Help: "how long it may do nothing"},
		driver.Option{Path: "administratorAccount.username", Type: driver.String, Required: true, Help: "who logs in"},
		driver.Option{Path: "administratorAccount.password", Type: driver.String, Secret: true, Help: "and with what"},
	)
	k.Document = func(v driver.View) map[string]any {
		return map[string]any{"address": v.Options["address"], "sshPort": v.Options["sshPort"]}
	}
	connect := k.Connect
	k.Connect = func(ctx context.Context, t driver.Target) (driver.Conn, error) {
		t.Secrets["password"] = t.Secrets["administratorAccount.password"]
		return connect(ctx, t)
	}
	return k
}

// rig is the face on a database of its own. Nothing is reconciled by itself.
type rig struct {
	http.Handler
	computes *compute.Service
	sub      string
}

func newRig(t testing.TB) *rig {
	t.Helper()
	r, stop := rigIn(t, t.TempDir())
	t.Cleanup(stop)
	return r
}

// rigIn opens a folder, which another rig may have filled before.
func rigIn(t testing.TB, dir string) (_ *rig, stop func()) {
	t.Helper()
	db, err := sqlstore.Open(t.Context(), "sqlite:"+filepath.Join(dir, "z.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	box, err := secret.OpenKeyring(filepath.Join(dir, "keys"), true)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{sub: arm.Subscription(installation)}
	plain := fake.Kind(fake.NewWorld()) // a kind that has no name on this wire
	r.computes = compute.New(compute.Config{
		Targets: db.Targets(), Box: box, Kinds: []driver.Kind{plain, vmKind(fake.NewWorld())}, Log: slog.New(slog.DiscardHandler),
	})
	workspaces := workspace.New(db.Workspaces(), db.LinkedServices())
	if _, _, err := workspaces.Create(identity.System(t.Context()), ws); err != nil {
		t.Fatal(err)
	}
	r.Handler = arm.New(arm.Deps{
		Authenticate: known, Workspaces: workspaces, Computes: r.computes,
		Installation: installation, Tenant: "99999999-0000-0000-0000-000000000000", BodyLimit: 1 << 20,
	})
	return r, func() { r.computes.Close(); db.Close() }
}

func known(_ context.Context, bearer string) (identity.Caller, error) {
	role := identity.Role(bearer)
	if !role.Valid() {
		return identity.Caller{}, &fault.Error{
			Code: fault.Unauthorized, Reason: "TokenInvalid", What: "the token is not accepted", Why: "nobody has it", Fix: "use another",
		}
	}
	return identity.Caller{Name: "ada", Roles: map[string]identity.Role{ws: role}}, nil
}

// do sends "METHOD path" with a body. {ws} is the workspace's ID, {sub} the subscription.
func (r *rig) do(t testing.TB, line, body string) *httptest.ResponseRecorder {
	t.Helper()
	role := "Contributor"
	if rest, ok := strings.CutPrefix(line, "(Reader) "); ok {
		role, line = "Reader", rest
	}
	if rest, ok := strings.CutPrefix(line, "(nobody) "); ok {
		role, line = "nobody", rest
	}
	method, path, _ := strings.Cut(line, " ")
	path = strings.NewReplacer("{ws}", r.root(), "{sub}", r.sub).Replace(path)
	req := httptest.NewRequestWithContext(t.Context(), method, "https://zaffre.test:8443"+path, strings.NewReader(body))
	req.Header.Set("Authorization", "Bearer "+role)
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
	return w
}

func (r *rig) root() string {
	return "/subscriptions/" + r.sub + "/resourceGroups/zaffre/providers/Microsoft.MachineLearningServices/workspaces/" + ws
}

// masks are what differs from run to run.
var masks = []struct {
	re *regexp.Regexp
	to string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+Z`), "<time>"},
	{regexp.MustCompile(`\b0[0-9a-hjkmnp-tv-z]{25}\b`), "<id>"},
	{regexp.MustCompile(`"(workspaceId|principalId)": "[0-9a-f-]{36}"`), `"$1": "<uuid>"`},
	{regexp.MustCompile(`/discovery/[0-9a-f-]{36}`), "/discovery/<uuid>"},
}

func (r *rig) golden(w *httptest.ResponseRecorder) string {
	var b strings.Builder
	fmt.Fprintln(&b, w.Code)
	for _, h := range []string{"Azure-AsyncOperation", "Retry-After", "Www-Authenticate", "X-Ms-Failure-Cause"} {
		if v := w.Header().Get(h); v != "" {
			fmt.Fprintf(&b, "%s: %s\n", h, v)
		}
	}
	var indented bytes.Buffer
	if json.Indent(&indented, w.Body.Bytes(), "", "  ") == nil {
		b.WriteString("\n" + indented.String())
	} else if w.Body.Len() > 0 {
		b.WriteString("\n" + w.Body.String() + "\n")
	}
	s := strings.NewReplacer(r.root(), "{ws}", r.sub, "{sub}").Replace(b.String())
	for _, m := range masks {
		s = m.re.ReplaceAllString(s, m.to)
	}
	return strings.TrimRight(s, "\n") + "\n"
}

// TestGolden plays the files of testdata: each "request" is answered as the file after it says. A request
// "RECONCILE name" looks at a target, "FOLLOW" reads the operation that was last begun.
func TestGolden(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no golden files", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			r, operation := newRig(t), ""
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			out := &txtar.Archive{Comment: archive.Comment}
			for _, f := range archive.Files {
				if !strings.HasPrefix(f.Name, "request") {
					continue
				}
				line, body, _ := strings.Cut(string(f.Data), "\n")
				line = strings.Replace(line, "FOLLOW", "GET "+operation, 1)
				answer := ""
				if name, ok := strings.CutPrefix(line, "RECONCILE "); ok {
					if _, err := r.computes.Reconcile(t.Context(), ws+"/"+name); err != nil {
						t.Fatal(err)
					}
				} else {
					w := r.do(t, line, body)
					if at := w.Header().Get("Azure-AsyncOperation"); at != "" {
						operation = strings.TrimPrefix(at, "https://zaffre.test:8443")
					}
					answer = r.golden(w)
				}
				out.Files = append(out.Files, f)
				if answer != "" {
					out.Files = append(out.Files, txtar.File{Name: strings.Replace(f.Name, "request", "answer", 1), Data: []byte(answer)})
				}
			}
			got := txtar.Format(out)
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", file, diff)
			}
		})
	}
}

func TestPathsInEveryForm(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	put := r.do(t, "PUT {ws}/computes/gpu?api-version=x", `{"location":"local","properties":{"computeType":"VirtualMachine","properties":{"address":"h","administratorAccount":{"username":"u"}}}}`)
	if put.Code != http.StatusCreated {
		t.Fatalf("%d: %s", put.Code, put.Body)
	}
	long := "/subscriptions/{sub}/resourceGroups/zaffre/providers/Microsoft.MachineLearningServices/workspaces/ws/computes/gpu"
	for _, path := range []string{
		long, strings.ToLower(long), "/" + long, strings.ReplaceAll(long, "/", "//"), long + "/", "/rp/workspaces" + long, "/RP/Workspaces" + long,
		strings.Replace(long, "resourceGroups/zaffre", "resourcegroups/ZAFFRE", 1), strings.Replace(long, "Microsoft.MachineLearningServices", "microsoft.machinelearningservices", 1),
	} {
		if w := r.do(t, "GET "+path+"?api-version=2020-02-02", ""); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"name":"gpu"`) {
			t.Errorf("%s: %d: %s", path, w.Code, w.Body)
		}
	}
}

func TestListsByPages(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fill(t, 230)
	seen, at := 0, "{ws}/computes?api-version=2020-02-02"
	for at != "" {
		w := r.do(t, "GET "+at, "")
		var page struct {
			Value    []struct{ Name string }
			NextLink *string
		}
		if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil || w.Code != http.StatusOK {
			t.Fatalf("%d, %v: %s", w.Code, err, w.Body)
		}
		seen += len(page.Value)
		at = ""
		if page.NextLink != nil {
			if !strings.Contains(*page.NextLink, "api-version=2020-02-02") {
				t.Errorf("the api-version got lost: %s", *page.NextLink)
			}
			at = strings.TrimPrefix(*page.NextLink, "https://zaffre.test:8443")
		}
	}
	if seen != 230 {
		t.Errorf("listed %d of 230", seen)
	}
}

func (r *rig) fill(t testing.TB, n int) {
	t.Helper()
	for i := range n {
		w := r.do(t, fmt.Sprintf("PUT {ws}/computes/vm-%04d", i), fmt.Sprintf(`{"location":"local","tags":{"n":"%d"},"properties":{"computeType":"VirtualMachine",
			"properties":{"address":"10.0.0.%d","administratorAccount":{"username":"u","password":"p"}}}}`, i, i))
		if w.Code != http.StatusCreated {
			t.Fatalf("%d: %s", w.Code, w.Body)
		}
	}
}

// TestOperationsSurviveARestart follows operations on a server that was started anew in between.
func TestOperationsSurviveARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r, stop := rigIn(t, dir)
	vm := `{"properties":{"computeType":"VirtualMachine","properties":{"address":"h","administratorAccount":{"username":"u"}}}}`
	begin := func(line, body string) string {
		w := r.do(t, line, body)
		at := w.Header().Get("Azure-AsyncOperation")
		if w.Code >= 300 || at == "" {
			t.Fatalf("%s: %d: %s", line, w.Code, w.Body)
		}
		return strings.TrimPrefix(at, "https://zaffre.test:8443")
	}
	attach := begin("PUT {ws}/computes/gpu", vm)
	refused := begin("PUT {ws}/computes/gpu", `{"properties":{"computeType":"Batch"}}`)
	unsupported := begin("PUT {ws}/computes/batch", `{"properties":{"computeType":"Batch"}}`)
	begin("PUT {ws}/computes/gone", vm)
	detach := begin("DELETE {ws}/computes/gone?underlyingResourceAction=detach", "")
	stop()
	r, stop = rigIn(t, dir)
	defer stop()
	status := func(path string) string {
		var v struct {
			Status string
			Error  struct{ Code string }
		}
		w := r.do(t, "GET "+path, "")
		if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil || w.Code != http.StatusOK || w.Header().Get("Retry-After") == "" {
			t.Fatalf("%d, %v: %s", w.Code, err, w.Body)
		}
		return strings.TrimSpace(v.Status + " " + v.Error.Code)
	}
	if got := status(attach); got != "InProgress" {
		t.Errorf("the attach: %s", got)
	}
	if _, err := r.computes.Reconcile(t.Context(), ws+"/gpu"); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		attach: "Succeeded", refused: "Failed ComputeTypeUnsupported", unsupported: "Failed ComputeTypeUnsupported", detach: "Succeeded",
	} {
		if got := status(path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

// TestSecretsDoNotComeBack plants secrets under every name that the clients have for them, and others.
func TestSecretsDoNotComeBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for i, member := range []string{
		`"databricksAccessToken":"canary"`, `"administratorAccount":{"username":"u","password":"canary","privateKeyData":"canary","passphrase":"canary"}`,
		`"servicePrincipalCredentials":{"clientId":"x","secret":"canary"}`, `"kustoConnectionString":"canary"`, `"userAccountCredentials":{"adminUserPassword":"canary"}`,
		`"storage_account_key":"canary","accountKey":"canary","keys":["canary"]`, `"nested":[{"deep":{"clientSecret":"canary"}}]`,
		`"note":"-----BEGIN OPENSSH PRIVATE KEY-----canary"`, `"url":"https://x?SharedAccessSignature=canary"`, `"blobs":"https://x/c?sv=2020-12-06&sig=canary"`, `"sasUri":"canary"`, `"kubeConfig":"canary"`,
	} {
		for _, typ := range []string{"VirtualMachine", "Databricks"} {
			name := fmt.Sprintf("c-%s-%d", strings.ToLower(typ), i)
			body := fmt.Sprintf(`{"tags":{%s},"identity":{%s},"properties":{%s,"computeType":%q,"properties":{"address":"h%s",%s}}}`, member, member, member, typ, name, member)
			for _, w := range []*httptest.ResponseRecorder{
				r.do(t, "PUT {ws}/computes/"+name, body), r.do(t, "GET {ws}/computes/"+name, ""), r.do(t, "POST {ws}/computes/"+name+"/listKeys", ""),
			} {
				if w.Code >= 300 || strings.Contains(w.Body.String(), "canary") {
					t.Errorf("%s, %s: %d: %s", typ, member, w.Code, w.Body)
				}
			}
		}
	}
}

// FuzzPut sends bodies of all sorts: none breaks the server or its list.
func FuzzPut(f *testing.F) {
	for _, seed := range []string{
		`{"properties":{"computeType":"VirtualMachine","properties":{"address":"a","administratorAccount":{"username":"u","password":"canary-1"}}}}`,
		`{"properties":{"computeType":"databricks","properties":{"databricksAccessToken":"canary-1"}}}`,
		`{"tags":{"a":[1,2.5,null]},"identity":{"type":"x"},"properties":{"computeType":"AKS","resourceId":"/x","properties":null}}`,
		`{"properties":{"computeType":"VirtualMachine","properties":{"administratorAccount":"text","idle":"PT2M","sshPort":1e400}}}`,
		`{"properties":[]}`, `[]`, `null`, `{"properties":{"computeType":7}}`, "{\"properties\":{\"computeType\":\"\xff\"}}",
	} {
		f.Add([]byte(seed))
	}
	r := newRig(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		w := r.do(t, "PUT {ws}/computes/fuzzed", string(body))
		if w.Code >= 500 {
			t.Fatalf("%d: %s", w.Code, w.Body)
		}
		list := r.do(t, "GET {ws}/computes", "")
		if list.Code != http.StatusOK || !json.Valid(list.Body.Bytes()) {
			t.Fatalf("the list broke: %d: %s", list.Code, list.Body)
		}
		if w := r.do(t, "DELETE {ws}/computes/fuzzed?underlyingResourceAction=Detach", ""); w.Code >= 300 {
			t.Fatalf("%d: %s", w.Code, w.Body)
		}
	})
}

// FuzzPath sends paths of all sorts.
func FuzzPath(f *testing.F) {
	r := newRig(f)
	for _, seed := range []string{"/computes/a", "/computes/a/operations/x.1.attach", "//computes//%2f", "/computes/a:verb", "/linkedServices/%00", "/computes/a/operations/i.1.refused.e30"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, tail string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://zaffre.test"+r.root()+tail, nil)
		if err != nil {
			t.Skip("no URL")
		}
		req.Header.Set("Authorization", "Bearer Reader")
		w := httptest.NewRecorder()
		r.ServeHTTP(w, req)
		if w.Code >= 500 {
			t.Fatalf("%d: %s", w.Code, w.Body)
		}
	})
}
