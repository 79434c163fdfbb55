package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/zaffre-ml/zaffre/client"
)

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func wants(t *testing.T, what, got string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(got, p) {
			t.Errorf("%s lacks %q:\n%s", what, p, got)
		}
	}
}

// TestUsage checks what needs no server.
func TestUsage(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	tests := []struct {
		reason string
		lang   string
		args   []string
		code   int
		talk   []string
	}{
		{"a verb misspelt", "", []string{"run", "submti"}, 2, []string{`did you mean "submit"?`}},
		{"a noun misspelt", "", []string{"exprmient", "list"}, 2, []string{`did you mean "experiment"?`}},
		{"a flag misspelt", "", []string{"run", "list", "--compte", "x"}, 2, []string{`did you mean "--compute"?`}},
		{"too few arguments", "", []string{"run", "show"}, 2, []string{"zaffre run show RUN", "what to do:"}},
		{"a format that there is not", "", []string{"run", "list", "-o", "jsn"}, 2, []string{`did you mean "json"?`}},
		{"no server known", "", []string{"run", "list"}, 3, []string{"client.json", "run: zaffre serve"}},
		{"no server known, in Japanese", "ja_JP.UTF-8", []string{"run", "list"}, 3, []string{"エラー: サーバーが分かりません", "対処:"}},
		{"a token that is missing", "", []string{"login", "--ca", "/dev/null", "http://127.0.0.1:1"}, 2, []string{"there is no token", "zaffre token create"}},
		{"an address that is none", "", []string{"login", "--token-file", "-", "example"}, 1, []string{`the server's address "example"`}},
		{"a shell without completion", "", []string{"completion", "bahs"}, 2, []string{`did you mean "bash"?`}},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			t.Parallel()
			stdin := ""
			if slices.Contains(tt.args, "-") {
				stdin = "token\n"
			}
			r := callWith(t, map[string]string{"HOME": home, "LANG": tt.lang}, stdin, tt.args...)
			if r.code != tt.code {
				t.Errorf("exit code %d, want %d", r.code, tt.code)
			}
			wants(t, "stderr", r.errout, tt.talk...)
			if r.out != "" {
				t.Errorf("stdout has %q", r.out)
			}
		})
	}
}

// TestHelp checks that each command has help with two examples, in both languages.
func TestHelp(t *testing.T) {
	t.Parallel()
	verbs := [][]string{
		{},
		{"serve"},
		{"status"},
		{"login"},
		{"version"},
		{"quickstart"},
		{"config", "show"},
		{"backup"},
		{"restore"},
		{"completion"},
		{"run"},
		{"run", "submit"},
		{"run", "list"},
		{"run", "show"},
		{"run", "logs"},
		{"run", "download"},
		{"run", "cancel"},
		{"run", "why"},
		{"experiment", "list"},
		{"environment", "list"},
		{"environment", "show"},
		{"environment", "build"},
		{"compute", "attach"},
		{"compute", "create"},
		{"compute", "delete"},
		{"compute", "list"},
		{"compute", "show"},
		{"compute", "update"},
		{"compute", "detach"},
		{"compute", "check"},
		{"compute", "kinds"},
		{"workspace", "list"},
		{"workspace", "create"},
		{"workspace", "show"},
		{"workspace", "use"},
		{"token", "create"},
		{"token", "list"},
		{"token", "revoke"},
		{"event", "list"},
	}
	for _, lang := range []string{"en", "ja"} {
		for _, verb := range verbs {
			r := callWith(t, map[string]string{}, "", append([]string{"--lang=" + lang}, append(slices.Clone(verb), "--help")...)...)
			name := strings.TrimSpace("zaffre " + strings.Join(verb, " "))
			if n := strings.Count(r.out, "\n  "+"zaffre") + strings.Count(r.out, "source <(zaffre") + strings.Count(r.out, "\n  ZAFFRE_"); r.code != 0 || n < 3 {
				t.Errorf("%s --help (%s): exit code %d, %d lines of usage and examples, want 3 or more:\n%s%s", name, lang, r.code, n, r.out, r.errout)
			}
		}
	}
}

func TestSubmit(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	dir := t.TempDir()
	script := write(t, dir, "train.py", "print(1)")
	write(t, dir, "lib/deep.py", "x = 1")
	write(t, dir, "data.bin", "not code")
	write(t, dir, ".amlignore", "*.bin\n")
	env := write(t, dir, "conda.yml", "name: tools\ndependencies: [numpy]\n")

	r := f.call("run", "submit", "-o", "json", "--env", env, "--memory", "2GB", "--timeout", "1h", "--set", "A=b=c", "--tag", "k=v", script, "--epochs", "3", "-o", "x")
	if r.code != 0 {
		t.Fatalf("exit code %d: %s", r.code, r.errout)
	}
	var run client.Run
	if err := json.Unmarshal([]byte(r.out), &run); err != nil {
		t.Fatalf("stdout is no JSON: %v: %s", err, r.out)
	}
	if got, want := strings.Join(run.Command, " "), "python train.py --epochs 3 -o x"; got != want {
		t.Errorf("command %q, want %q", got, want)
	}
	if run.Environment != "tools:1" || run.Memory != 2e9 || run.Timeout != 3600 || run.Variables["A"] != "b=c" || run.Tags["k"] != "v" || run.Snapshot != "snap" {
		t.Errorf("submitted %+v", run)
	}
	if run.ID == "" {
		t.Error("the run has no name of the client's: asking again would make a second one")
	}
	if len(f.files) != 4 { // .amlignore, conda.yml, lib/deep.py, train.py
		t.Errorf("%d files were sent, want 4", len(f.files))
	}
}

func TestSubmitArguments(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	dir := t.TempDir()
	write(t, dir, "src/train.py", "print(1)")
	write(t, dir, "src/sums.usql", "OUTPUT")
	tests := []struct {
		reason  string
		args    []string
		code    int
		command string
		talk    string
	}{
		{"a command", []string{"--", "echo", "hi", "-o", "json"}, 0, "echo hi -o json", "next: zaffre run logs -f"},
		{"a script in a source", []string{"--source", dir, "src/train.py"}, 0, "python src/train.py", ""},
		{"a script in a source, named from here", []string{"--source", dir, filepath.Join(dir, "src", "train.py")}, 0, "python src/train.py", ""},
		{"the format at the end is ours", []string{filepath.Join(dir, "src", "train.py"), "-o", "name"}, 0, "python train.py", "as zaffre's own"},
		{"the format after -- is the script's", []string{filepath.Join(dir, "src", "train.py"), "--", "-o", "name"}, 0, "python train.py -o name", ""},
		{"a script of U-SQL", []string{filepath.Join(dir, "src", "sums.usql")}, 0, "sums.usql", ""},
		{"a script of U-SQL as a command", []string{"--", filepath.Join(dir, "src", "sums.usql")}, 0, "sums.usql", ""},
		{"a script of U-SQL in a source", []string{"--source", dir, "--", "src/sums.usql"}, 0, "src/sums.usql", ""},
		{"no such script of U-SQL", []string{"--", filepath.Join(dir, "src", "sum.usql")}, 3, "", "did you mean " + filepath.Join(dir, "src", "sums.usql")},
		{"no such script", []string{filepath.Join(dir, "src", "trian.py")}, 3, "", "did you mean " + filepath.Join(dir, "src", "train.py")},
		{"a folder", []string{dir}, 3, "", "it is a folder"},
		{"no such environment file", []string{"--env", "nowhere.yml", "--", "true"}, 3, "", "zaffre environment list"},
		{"an unknown compute", []string{"--compute", "gpu-bxo", "--", "true"}, 3, "", `did you mean "gpu-box"?`},
		{"a size that is none", []string{"--memory", "lots", "--", "true"}, 2, "", "--memory 2GB"},
		{"a pair that is none", []string{"--set", "A", "--", "true"}, 2, "", "KEY=VALUE"},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			n := len(f.runs)
			r := f.call(append([]string{"run", "submit"}, tt.args...)...)
			if r.code != tt.code {
				t.Fatalf("exit code %d, want %d: %s", r.code, tt.code, r.errout)
			}
			wants(t, "stderr", r.errout, tt.talk)
			if tt.command == "" {
				if len(f.runs) != n {
					t.Error("a run was submitted")
				}
				return
			}
			if got := strings.Join(f.runs[len(f.runs)-1].Command, " "); got != tt.command {
				t.Errorf("command %q, want %q", got, tt.command)
			}
		})
	}
}

func TestFollow(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	r := f.call("run", "submit", "--follow", "--", "echo", "hi")
	if r.code != 0 || r.out != f.log {
		t.Errorf("exit code %d, log %q, want 0 and %q\n%s", r.code, r.out, f.log, r.errout)
	}
	wants(t, "stderr", r.errout, "-- Queued", "-- Running", "Completed", "next: zaffre run download ")
	r = f.call("run", "submit", "--follow", "-o", "json", "--", "fail")
	if r.code != 1 {
		t.Errorf("exit code of a failed run is %d, want 1", r.code)
	}
	wants(t, "stderr", r.errout, "one\ntwo\n", "exit code 3", "what to do: read its log", "next: zaffre run why ")
	wants(t, "stdout", r.out, `"state": "Failed"`)
	if !json.Valid([]byte(r.out)) {
		t.Errorf("stdout is no JSON: %s", r.out)
	}
}

func TestRunNames(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	for _, name := range []string{"abcd1", "abcd2", "xyz/ü \"q\"", "wide1234"} {
		if r := f.call("run", "submit", "--name", name, "--", "true"); r.code != 0 || strings.TrimSpace(r.out) != name {
			t.Fatalf("submit %q: %d %q %s", name, r.code, r.out, r.errout)
		}
	}
	tests := []struct {
		arg, id string
		code    int
		talk    string
	}{
		{"abcd1", "abcd1", 0, ""},
		{"wide", "wide1234", 0, ""},
		{"last", "wide1234", 0, ""},
		{"xyz/ü \"q\"", "xyz/ü \"q\"", 0, ""},
		{"abcd", "", 1, "2 runs begin so"},
		{"wid", "", 3, "look at the test"},
		{"wied1234", "", 3, `did you mean "wide1234"?`},
	}
	for _, tt := range tests {
		r := f.call("run", "show", tt.arg, "-o", "name")
		if r.code != tt.code || strings.TrimSpace(r.out) != tt.id {
			t.Errorf("show %q: exit code %d, %q; want %d, %q: %s", tt.arg, r.code, r.out, tt.code, tt.id, r.errout)
		}
		wants(t, "stderr", r.errout, tt.talk)
	}
	if r := f.call("run", "logs", "last"); r.out != f.log {
		t.Errorf("log is %q, want %q", r.out, f.log)
	}
	if r := f.call("run", "logs", "-f", "last"); r.out != f.log {
		t.Errorf("log, followed over a broken connection, is %q, want %q", r.out, f.log)
	}
	if r := f.call("run", "cancel", "wide"); r.code != 0 || f.runs[3].State != "Canceled" {
		t.Errorf("cancel: %d, %s", r.code, f.runs[3].State)
	}
	r := f.call("run", "list", "-o", "yaml")
	wants(t, "YAML", r.out, "- id: wide1234", "state: Canceled")
}

func TestDownload(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.call("run", "submit", "--name", "maker", "--", "true")
	dir := filepath.Join(t.TempDir(), "out")
	for range 2 {
		r := f.call("run", "download", "maker", dir, "-o", "name")
		file := filepath.Join(dir, "outputs", "my model.bin")
		if b, err := os.ReadFile(file); r.code != 0 || err != nil || string(b) != model || strings.TrimSpace(r.out) != file {
			t.Fatalf("download: %d %q %v: %q %s", r.code, r.out, err, b, r.errout)
		}
	}
	fetched := 0
	for _, c := range f.calls {
		if strings.HasSuffix(c, "my%20model.bin") {
			fetched++
		}
	}
	if fetched != 1 {
		t.Errorf("the file was fetched %d times, want once", fetched)
	}
}

// What is to be granted is printed for the flags that are given, and nothing is attached.
func TestAttachPrintsGrants(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, "may: nobody 2\n"},
		{[]string{"--address", "10.0.0.4"}, "may: 10.0.0.4 2\n"},
		{[]string{"box", "--slots", "4"}, "may: nobody 4\n"},
	} {
		r := f.call(append([]string{"compute", "attach", "fake", "--print-grants"}, tt.args...)...)
		if r.code != 0 || r.out != tt.want {
			t.Errorf("%v: %d %q %s, want %q", tt.args, r.code, r.out, r.errout, tt.want)
		}
	}
	if r := f.call("compute", "attach", "fake", "a", "b", "--print-grants"); r.code != 2 {
		t.Errorf("with two names: %d %s", r.code, r.errout)
	}
}

func TestAttach(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	file := write(t, t.TempDir(), "pw", "hidden-word\n")
	r := f.call("compute", "attach", "fake", "box", "--address", "10.0.0.4", "--administrator-account-user-name", "me", "--password-file", file, "--slots", "4", "-o", "json")
	var c client.Compute
	if err := json.Unmarshal([]byte(r.out), &c); err != nil || r.code != 0 {
		t.Fatalf("attach: %d %v %s %s", r.code, err, r.out, r.errout)
	}
	want := "map[address:10.0.0.4 administratorAccount.userName:me password:hidden-word slots:4]"
	if c.Facts["got"] != want {
		t.Errorf("the server got %s, want %s", c.Facts["got"], want)
	}
	tests := []struct {
		args []string
		code int
		talk string
	}{
		{[]string{"fake", "box"}, 2, "needs --address"},
		{[]string{"fkae", "box"}, 3, `did you mean "fake"?`},
		{[]string{"fake", "box", "--adress", "x"}, 2, `did you mean "--address"?`},
		{[]string{}, 0, ""},
	}
	for _, tt := range tests {
		r := f.call(append([]string{"compute", "attach"}, tt.args...)...)
		if r.code != tt.code {
			t.Errorf("attach %v: exit code %d, want %d: %s", tt.args, r.code, tt.code, r.errout)
		}
		wants(t, "stderr", r.errout, tt.talk)
	}
	r = f.call("-o", "name", "compute", "attach", "fake", "--data="+f.data, "box", "--address", "x", "-w", "default")
	if r.code != 0 || r.out != "box\n" {
		t.Errorf("attach between flags of all commands: %d %q %s", r.code, r.out, r.errout)
	}
	r = f.call("compute", "attach", "fake", "--help")
	wants(t, "help", r.out, "--address", "(required)", "--password-file", "(default 2)", "A programmable kind.")
}

func TestDenied(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	p, err := client.Load(f.data)
	if err != nil {
		t.Fatal(err)
	}
	p.Token = "another"
	if err := p.Save(filepath.Join(f.data, "client.json")); err != nil {
		t.Fatal(err)
	}
	r := f.call("run", "list")
	if r.code != 4 {
		t.Errorf("exit code %d, want 4", r.code)
	}
	wants(t, "stderr", r.errout, "error: the server does not know the token: because of the test", "evidence: the remote's words", "what to do: look at the test")
}

func TestLogin(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	home := t.TempDir()
	env := map[string]string{"HOME": home}
	r := callWith(t, env, secret+"\n", "login", f.srv.URL)
	if r.code != 4 {
		t.Errorf("login to a server that nobody vouches for: exit code %d, want 4", r.code)
	}
	wants(t, "stderr", r.errout, "zaffre login --fingerprint "+client.Fingerprint(f.srv.Certificate()))
	r = callWith(t, env, secret+"\n", "login", "--fingerprint", client.Fingerprint(f.srv.Certificate()), f.srv.URL)
	if r.code != 0 {
		t.Fatalf("login: %d %s", r.code, r.errout)
	}
	file := filepath.Join(home, ".config", "zaffre", "login.json")
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the login: %v %v", info, err)
	}
	if r = callWith(t, env, "", "compute", "list", "-o", "name"); r.out != "server\ngpu-box\n" {
		t.Errorf("after the login: %q %s", r.out, r.errout)
	}
	if strings.Contains(r.out+r.errout, secret) {
		t.Error("the token was shown")
	}
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if r := f.call("completion", shell); r.code != 0 || !strings.Contains(r.out, "zaffre") {
			t.Errorf("completion %s: %d %s", shell, r.code, r.errout)
		}
	}
	r := f.call("__complete", "run", "submit", "--compute", "gp")
	wants(t, "completion", r.out, "gpu-box\n")
	r = f.call("__complete", "compute", "attach", "f")
	wants(t, "completion", r.out, "fake\n")
}

func TestConfigShow(t *testing.T) {
	t.Parallel()
	env := map[string]string{"HOME": t.TempDir(), "ZAFFRE_LOG_LEVEL": "debug"}
	r := callWith(t, env, "", "config", "show", "--listen", "127.0.0.1:9", "-o", "json")
	var values []struct{ Key, Value, Source string }
	if err := json.Unmarshal([]byte(r.out), &values); err != nil || r.code != 0 {
		t.Fatalf("config show: %d %v %s", r.code, err, r.errout)
	}
	got := map[string]string{}
	for _, v := range values {
		got[v.Key] = v.Value + " from " + v.Source
	}
	for key, want := range map[string]string{
		"listen": "127.0.0.1:9 from flag --listen", "log.level": "debug from environment ZAFFRE_LOG_LEVEL", "ephemeral": "false from default",
	} {
		if got[key] != want {
			t.Errorf("%s is %q, want %q", key, got[key], want)
		}
	}
}
