package clients_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/client"
)

func TestV1LogsInAsServicePrincipal(t *testing.T) {
	t.Parallel()
	interpreter := v1(t, "3.10")
	b := start(t)
	p, err := b.CreatePrincipal(t.Context(), client.Principal{Name: "ci", Workspace: "default", Role: "Contributor"})
	if err != nil {
		t.Fatal(err)
	}
	out := b.must(t, script{python: interpreter, file: "v1_login.py", env: []string{"APP_ID=" + p.ID, "APP_SECRET=" + p.Secret}})
	holds(t, out, "principal default", "refused: True False")
	if strings.Contains(b.log.String(), p.Secret) || b.stored(t, p.Secret) {
		t.Error("the client secret was logged or stored")
	}
	if !strings.Contains(b.log.String(), "caller=ci") {
		t.Error("the calls are not the principal's")
	}
}

var deviceCode = regexp.MustCompile(`enter the code ([A-Z]{4}-[A-Z]{4})`)

// TestV1LogsInByDeviceCode runs a script without any credential: azureml-core shows a code, and goes on
// once a user has confirmed it on the page.
func TestV1LogsInByDeviceCode(t *testing.T) {
	t.Parallel()
	interpreter := v1(t, "3.10")
	b := start(t)
	home := t.TempDir()
	b.writeConfig(t, home)
	ctx, cancel := context.WithTimeout(t.Context(), scriptWithin)
	defer cancel()
	text := "from azureml.core import Workspace\nprint('workspace', Workspace.from_config().name)\n"
	if err := os.WriteFile(filepath.Join(home, "script.py"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, interpreter, "script.py")
	cmd.Dir, cmd.WaitDelay = home, 2*time.Second
	for _, v := range b.variables(t, home) {
		if name, _, _ := strings.Cut(v, "="); !strings.HasPrefix(name, "AZUREML_SERVICE_PRINCIPAL") && !strings.HasPrefix(name, "IDENTITY_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	out := &buffer{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	eventually(t, "the code", func() bool { return deviceCode.MatchString(out.String()) })
	if status := b.confirm(t, deviceCode.FindStringSubmatch(out.String())[1]); status != http.StatusOK {
		t.Fatalf("the page answered %d", status)
	}
	if err := <-done; err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, lastLines(b.log.String(), 30))
	}
	holds(t, out.String(), "workspace default")
	if strings.Contains(out.String(), b.profile.Token) || strings.Contains(b.log.String(), b.profile.Token) {
		t.Error("the token was printed or logged")
	}
}

// confirm sends the form of the page as a browser does.
func (b *box) confirm(t testing.TB, code string) int {
	t.Helper()
	browser := b.browser(t)
	form := url.Values{"user_code": {code}, "token": {b.profile.Token}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.profile.URL+"/device", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", b.profile.URL)
	resp, err := browser.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}
