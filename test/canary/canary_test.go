package canary_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// canary is a secret that nobody has by chance, with what encoders change.
func canary(name string) string { return "cnry-" + name + ` "é"/+&%<` + rand.Text() }

// TestSecretsStayWhereTheyBelong gives secrets by every door, right and wrong ones, has the server use them, kills
// it, and looks everywhere. Left out are the two files that are there to hold a login: client.json of the data
// folder (the admin's, in the backup too) and login.json of the user's home.
func TestSecretsStayWhereTheyBelong(t *testing.T) {
	s := open(t)
	s.plant("admin's token", s.direct.Token)
	host, _, _ := net.SplitHostPort(os.Getenv("ENGINES_VM1"))
	g := s.give()
	s.there(`id canary >/dev/null 2>&1 || useradd -m -s /bin/bash canary; mkdir -p /home/canary/.ssh; umask 077
		read -r pw; printf 'canary:%s\n' "$pw" | chpasswd; cat >/home/canary/.ssh/authorized_keys; chown -R canary: /home/canary/.ssh`, g.password+"\n"+g.public)
	s.Cleanup(func() { s.there("pkill -u canary; sleep 0.2; userdel -r canary 2>/dev/null || :", "") })
	user := s.logIn()
	s.throughCLI(g, host)
	s.throughNative(g, host, user)
	s.throughARM(g, host, user)
	s.throughLogin(g, user)
	s.throughRuns(user)
	s.throughV1(g, user)
	s.useAndRead(user)
	s.control(user)
	backup := filepath.Join(s.dir, "backup")
	s.want(0, "backup", "--data", s.data, backup)
	s.want(0, "compute", "detach", "--force", "by-key")
	files := s.there("tar -C / -cf - home/canary tmp var/log run etc/ssh 2>/dev/null || [ $? = 1 ]", "")
	s.searchProcesses()
	s.crash()
	s.searchTar(t, "the machine's files", bytes.NewReader(files))
	s.searchBackup(t, backup)
	s.searchTree(t, "data folder", s.data, filepath.Join(s.data, "client.json"))
	s.searchTree(t, "the user's home", filepath.Join(s.dir, "home"), filepath.Join(s.dir, "home", ".config", "zaffre", "login.json"))
	log, err := os.ReadFile(s.log)
	if err != nil {
		t.Fatal(err)
	}
	s.search("server's log and crash output", s.log, log)
	for l, n := range s.leaks {
		t.Errorf("%s is in %s, as %s (%d times)", l.secret, l.where, l.form, n)
	}
	for _, kind := range slices.Sorted(maps.Keys(s.places)) {
		t.Logf("searched %s: %d bytes", kind, s.places[kind])
	}
	t.Logf("%d forms of secrets", len(s.needles))
	if len(s.places) != 9 || s.places["answers"] < 10_000 || s.places["server's log and crash output"] < 10_000 {
		t.Errorf("searched only %v", s.places)
	}
}

// control sees that the search finds what is there: the logins in the files that are left out, and leaks of a
// process here and of one on the machine.
func (s *stage) control(user string) {
	c := newCage()
	c.plant("user", user)
	c.plant("admin", s.direct.Token)
	here, there := c.plant("here", canary("here")), c.plant("there", "cnry-there-"+rand.Text())
	cmd := exec.Command("sleep", "600")
	cmd.Env = []string{"LEAK=" + here}
	if err := cmd.Start(); err != nil {
		s.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	s.there(`read -r leak; LEAK="$leak" sleep 601 >/dev/null 2>&1 & read -r leak; sh -c 'sleep 601; : "$1"' sh "$leak" >/dev/null 2>&1 &`, there+"\n"+there+"\n")
	defer s.there("pkill -f 'sleep 60[1]'", "")
	found := func(want ...string) bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, w := range want {
			if !slices.ContainsFunc(slices.Collect(maps.Keys(c.leaks)), func(l leak) bool { return l.secret+" "+strings.Fields(l.where)[0] == w }) {
				return false
			}
		}
		return true
	}
	s.eventually("the leaks of processes", func() bool {
		c.searchProcesses()
		return found("here /proc/*/environ", "there /proc/*/environ", "there /proc/*/cmdline")
	})
	c.searchTree(s, "data", s.data)
	c.searchTree(s, "home", filepath.Join(s.dir, "home"))
	if !found("admin data", "user home") {
		s.Errorf("the search is blind: it found %v", c.leaks)
	}
}

// given are the secrets that users give.
type given struct {
	password, key, locked, phrase, public      string // that are right
	wrong, wrongKey, wrongPhrase, spare, token string // that are not
}

func (s *stage) give() given {
	g := given{}
	for name, to := range map[string]*string{
		"password": &g.password, "passphrase": &g.phrase, "wrong password": &g.wrong, "wrong passphrase": &g.wrongPhrase, "spare": &g.spare, "wrong token": &g.token,
	} {
		*to = s.plant(name, canary(strings.ReplaceAll(name, " ", "-")))
	}
	public, seed := "", []byte(nil)
	g.key, g.public, seed = newKey(s, "")
	s.plantKey("key", g.key, seed)
	g.locked, public, seed = newKey(s, g.phrase)
	s.plantKey("locked key", g.locked, seed)
	s.plantKey("locked key, sealed", g.locked, nil)
	g.public += public
	g.wrongKey, _, seed = newKey(s, "")
	s.plantKey("wrong key", g.wrongKey, seed)
	return g
}

// throughRuns has runs use their own token, right and wrong, here and on the machine. Their script hands it out; it is
// planted once the process is gone, which may hold it.
func (s *stage) throughRuns(user string) {
	const script = `
import json, os, ssl, urllib.request
tls = ssl.create_default_context(cafile=os.environ["REQUESTS_CA_BUNDLE"])
def ask(path, token, body):
    r = urllib.request.Request(os.environ["MLFLOW_TRACKING_URI"] + path, json.dumps(body).encode(), {"Authorization": "Bearer " + token, "Content-Type": "application/json"})
    try:
        return urllib.request.urlopen(r, context=tls).status
    except urllib.error.HTTPError as e:
        return e.code
run, token = os.environ["MLFLOW_RUN_ID"], os.environ["MLFLOW_TRACKING_TOKEN"]
good = {"run_id": run, "key": "loss", "value": 1.0, "timestamp": 1, "step": 1}
print("ANSWERS", ask("/api/2.0/mlflow/runs/log-metric", token, good), ask("/api/2.0/mlflow/runs/log-metric", token + "x", good),
    ask("/api/2.0/mlflow/runs/log-metric", token, {"run_id": token, "key": token}), ask("/" + "nothing", token, {}))
parts = token.split(".")
print("MASKED", " ".join(str([ord(c) for c in p]).replace(" ", "") for p in parts))
`
	for _, compute := range []string{"server", "by-key"} {
		got := s.want(0, "run", "submit", "--compute", compute, "--follow", "--", "python3", "-c", script)
		if !strings.Contains(got.out, "ANSWERS 200 401 4") {
			s.Fatalf("the run on %s said %q", compute, got.all)
		}
		parts := s.unmask(got.out)
		if len(parts) != 3 {
			s.Fatalf("the run on %s said %q", compute, got.all)
		}
		token := s.plant("token of the run on "+compute, strings.Join(parts, "."))
		s.plant("signature of that token on "+compute, parts[2])
		if code, _ := s.send("GET", "/api/v1/workspaces/default/runs", token, ""); code >= 500 {
			s.Errorf("a run's token is answered with %d", code)
		}
	}
	_, runs := s.send("GET", "/api/v1/workspaces/default/runs", user, "")
	list, _ := runs["items"].([]any)
	for _, r := range list {
		id := fmt.Sprint(r.(map[string]any)["id"])
		s.want(0, "run", "show", id, "-o", "json")
		s.zaffre("run", "logs", id)
	}
	if len(list) < 2 {
		s.Errorf("only %d runs were read: %v", len(list), runs)
	}
}

// logIn makes a token for the user, whose CLI goes through the proxy.
func (s *stage) logIn() string {
	token := s.plant("user's token", strings.TrimSpace(s.quietly("token", "create", "--data", s.data, "--role", "Owner", "ada").out))
	s.want(0, "login", "--token-file", s.file(token+"\n"), s.proxy)
	return token
}

func (s *stage) throughCLI(g given, host string) {
	password, key, phrase := "--password-file", "--key-file", "--passphrase-file"
	attach := func(exit int, name string, more ...string) {
		s.Helper()
		s.want(exit, append([]string{"compute", "attach", "sshvm", name, "--address", host, "--user", "canary", "--shared"}, more...)...)
	}
	attach(0, "by-password", password, s.file(g.password))
	attach(0, "by-key", key, s.file(g.key))
	attach(0, "by-locked-key", key, s.file(g.locked), phrase, s.file(g.phrase))
	attach(1, "no-password", password, s.file(g.wrong))
	attach(1, "no-key", key, s.file(g.wrongKey))
	attach(1, "no-phrase", key, s.file(g.locked), phrase, s.file(g.wrongPhrase))
	attach(1, "cut", key, s.file(g.key[:len(g.key)/2]), password, s.file(g.spare))
	attach(1, "swapped", key, s.file(g.password)) // what is no key at all
	s.want(1, "compute", "update", "no-password", password, s.file(g.spare))
	s.want(0, "compute", "update", "no-password", password, s.file(g.password))
	s.want(0, "compute", "update", "by-password", key, s.file(g.locked), phrase, s.file(g.phrase))
	for _, name := range []string{"by-password", "by-key", "no-key"} {
		s.zaffre("compute", "check", name)
		s.zaffre("compute", "show", name, "-o", "json")
	}
	if out := s.want(0, "compute", "ssh", "by-key", "--", "sh", "-c", "env; id; cat /proc/self/cmdline").out; !strings.Contains(out, "canary") {
		s.Errorf("the machine said %q", out)
	}
	vm := "/subscriptions/S/resourceGroups/G/providers/Microsoft.Compute/virtualMachines/"
	s.want(0, "inventory", "add", vm+"one", "address="+host, "port=22", "user=canary", "hostKey="+s.hostKey(), "--secret", "privateKey="+s.file(g.locked), "--secret", "passphrase="+s.file(g.phrase))
	s.want(0, "inventory", "add", vm+"two", "address="+host, "port=22", "user=canary", "hostKey="+s.hostKey(), "--secret", "password="+s.file(g.wrong))
	s.want(0, "compute", "attach", "sshvm", "known", "--resource-id", vm+"one", "--shared")
	s.want(1, "compute", "attach", "sshvm", "known-badly", "--resource-id", vm+"two", "--shared")
	s.want(0, "inventory", "list", "-o", "json")
	s.want(0, "inventory", "show", vm+"one", "-o", "yaml")
	s.want(0, "secret", "set", "--file", s.file(g.spare), "kept")
	s.want(0, "secret", "set", "--file", s.file(g.password), "kept")
	s.want(1, "secret", "set", "--file", s.file(g.wrong), "not/kept")
	s.want(0, "secret", "list", "-o", "json")
	s.want(0, "event", "list", "-o", "json")
	s.want(0, "run", "submit", "--compute", "server", "--follow", "--", "sh", "-c", "env; echo ran")
}

func (s *stage) hostKey() string {
	return strings.Fields(string(s.there("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub", "")))[1]
}

// text is a value in JSON.
func text(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

func (s *stage) throughNative(g given, host, user string) {
	at := "/api/v1/workspaces/default/computes/"
	options := map[string]any{"address": host, "administratorAccount.username": "canary", "administratorAccount.password": g.wrong}
	for name, body := range map[string]string{
		"native-wrong":   text(map[string]any{"name": "native-wrong", "kind": "sshvm", "shared": true, "options": options}),
		"native-unknown": text(map[string]any{"name": "native-unknown", "kind": "sshvm", "options": options, "password": g.spare}),
		"native-typed":   text(map[string]any{"name": "native-typed", "kind": "sshvm", "options": map[string]any{"administratorAccount.password": []any{g.spare}, "sshPort": g.spare}}),
		"native-kind":    text(map[string]any{"name": "native-kind", "kind": "nothing", "options": options}),
		"native-cut":     `{"name":"native-cut","kind":"sshvm","options":{"administratorAccount.password":` + text(g.spare),
	} {
		code, answer := s.send("PUT", at+name, user, body)
		if (code < 300) != (name == "native-wrong") {
			s.Errorf("%s: %d: %v", name, code, answer)
		}
	}
	s.settle(user, at+"native-wrong", "state", "Failed")
	if code, _ := s.send("GET", at, g.token[:5]+"-x", ""); code != 401 {
		s.Errorf("a wrong token: %d", code)
	}
	wrong := s.plant("wrong bearer", "zaf_"+rand.Text()+rand.Text())
	if code, _ := s.send("GET", at, wrong, ""); code != 401 {
		s.Errorf("a wrong token: %d", code)
	}
}

// settle waits until a document's member has one of the values.
func (s *stage) settle(user, path, member string, want ...string) {
	s.Helper()
	s.eventually(path, func() bool {
		_, doc := s.send("GET", path, user, "")
		for part := range strings.SplitSeq(member, ".") {
			if next, ok := doc[part].(map[string]any); ok {
				doc = next
			} else {
				return slices.Contains(want, fmt.Sprint(doc[part]))
			}
		}
		return false
	})
}

func (s *stage) throughARM(g given, host, user string) {
	_, c := s.send("GET", "/api/v1/workspaces/default/client-config", user, "")
	ws := fmt.Sprintf("/subscriptions/%v/resourceGroups/%v/providers/Microsoft.MachineLearningServices/workspaces/%v", c["subscription_id"], c["resource_group"], c["workspace_name"])
	machine := func(account map[string]any) string {
		account["username"] = "canary"
		return text(map[string]any{"location": "local", "properties": map[string]any{
			"computeType": "VirtualMachine", "properties": map[string]any{"address": host, "sshPort": 22, "administratorAccount": account},
		}})
	}
	const version = "?api-version=2024-10-01"
	for name, body := range map[string]string{
		"arm-wrong":      machine(map[string]any{"password": g.wrong}),
		"arm-wrong-key":  machine(map[string]any{"privateKeyData": g.wrongKey}),
		"arm-twice":      machine(map[string]any{"privateKeyData": g.key}),
		"arm-databricks": text(map[string]any{"properties": map[string]any{"computeType": "Databricks", "properties": map[string]any{"databricksAccessToken": g.spare, "workspaceUrl": "https://x.example"}}}),
		"arm-hdinsight":  text(map[string]any{"properties": map[string]any{"computeType": "HDInsight", "properties": map[string]any{"address": host, "administratorAccount": map[string]any{"username": "u", "password": g.spare, "privateKeyData": g.wrongKey}}}}),
		"arm-aks":        text(map[string]any{"properties": map[string]any{"computeType": "AKS", "properties": map[string]any{"sslConfiguration": map[string]any{"key": g.spare, "cert": g.spare}}}}),
		"arm-odd":        text(map[string]any{"properties": map[string]any{"computeType": "VirtualMachine", "properties": map[string]any{"administratorAccount": g.spare}}}),
	} {
		s.send("PUT", ws+"/computes/"+name+version, user, body)
	}
	s.settle(user, ws+"/computes/arm-wrong"+version, "properties.provisioningState", "Failed")
	s.settle(user, ws+"/computes/arm-wrong-key"+version, "properties.provisioningState", "Failed")
	for _, path := range []string{"/computes", "/computes/by-key", "/computes/by-password", "/computes/arm-databricks", "/computes/arm-aks", "/linkedServices", "", "/computes/arm-wrong"} {
		s.send("GET", ws+path+version, user, "")
	}
	for _, name := range []string{"by-key", "by-password", "arm-wrong", "arm-databricks", "arm-aks"} {
		s.send("POST", ws+"/computes/"+name+"/listKeys"+version, user, "")
	}
	s.send("POST", ws+"/listKeys"+version, user, "")
	s.send("PUT", ws+"/computes/cut"+version, user, `{"properties":{"password":`+text(g.spare))
}

// throughLogin gets tokens in every way; what is handed out is planted, and must not appear again.
func (s *stage) throughLogin(g given, user string) {
	made := s.quietly("principal", "create", "--data", s.data, "-o", "json", "ci")
	var app map[string]any
	if err := json.Unmarshal([]byte(made.out), &app); err != nil {
		s.Fatalf("%v: %s", err, made.all)
	}
	id, secret := fmt.Sprint(app["id"]), fmt.Sprint(app["secret"])
	s.plant("principal's secret", secret)
	form := []string{"Content-Type", "application/x-www-form-urlencoded"}
	ask := func(base, path string, v url.Values, header ...string) (int, map[string]any) {
		return s.sendTo(base, "POST", path, "", v.Encode(), append(form, header...)...)
	}
	credentials := url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret}, "scope": {"https://management.azure.com/.default"}}
	_, answer := ask(s.url, "/adfs/x/oauth2/token", credentials)
	access := s.plant("principal's JWT", fmt.Sprint(answer["access_token"]))
	if code, _ := s.send("GET", "/subscriptions?api-version=2022-12-01", access, ""); code != 200 {
		s.Errorf("the JWT is answered with %d", code)
	}
	credentials.Set("client_secret", g.token)
	if code, _ := ask(s.proxy, "/adfs/x/oauth2/token", credentials); code != 401 {
		s.Errorf("a wrong secret: %d", code)
	}
	_, answer = s.sendTo(s.url, "GET", "/msi/token?resource=https://management.azure.com", "", "", "X-IDENTITY-HEADER", user)
	s.plant("JWT of a managed identity", fmt.Sprint(answer["access_token"]))
	wrong := s.plant("wrong MSI secret", "msi-"+rand.Text())
	if code, _ := s.send("GET", "/msi/token?resource=https://management.azure.com", "", "", "secret", wrong); code != 401 {
		s.Errorf("a wrong MSI secret: %d", code)
	}
	_, begun := ask(s.url, "/adfs/x/oauth2/devicecode", url.Values{"client_id": {"app"}, "scope": {"openid https://management.azure.com/.default"}})
	device := s.plant("device code", fmt.Sprint(begun["device_code"]))
	poll := url.Values{"grant_type": {"device_code"}, "client_id": {"app"}, "device_code": {device}}
	ask(s.proxy, "/adfs/x/oauth2/token", poll)
	page := "/device?user_code=" + fmt.Sprint(begun["user_code"])
	s.send("GET", page, "", "")
	ask(s.proxy, "/device", url.Values{"user_code": {fmt.Sprint(begun["user_code"])}, "token": {wrong}})
	ask(s.proxy, "/device", url.Values{"user_code": {fmt.Sprint(begun["user_code"])}, "token": {user}})
	_, answer = ask(s.url, "/adfs/x/oauth2/token", poll)
	for _, name := range []string{"access_token", "refresh_token", "id_token"} {
		s.plant("device login's "+name, fmt.Sprint(answer[name]))
	}
	if code, _ := s.send("GET", "/subscriptions?api-version=2022-12-01", fmt.Sprint(answer["access_token"]), ""); code != 200 {
		s.Errorf("the device login's token is answered with %d", code)
	}
	ask(s.proxy, "/adfs/x/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {s.plant("wrong refresh token", "a.b."+rand.Text())}})
	s.want(0, "principal", "list", "-o", "json")
	s.plant("principal's new secret", strings.TrimSpace(s.quietly("principal", "rotate", "--data", s.data, id).out))
	credentials.Set("client_secret", secret)
	if code, _ := ask(s.proxy, "/adfs/x/oauth2/token", credentials); code != 401 {
		s.Errorf("the secret from before the rotation: %d", code)
	}
}

// useAndRead reads all lists.
func (s *stage) useAndRead(user string) {
	for _, args := range [][]string{
		{"compute", "list"}, {"inventory", "list"}, {"token", "list"}, {"principal", "list"}, {"event", "list"}, {"run", "list"}, {"environment", "list"}, {"workspace", "list"},
	} {
		s.want(0, append(args, "-o", "json")...)
		s.want(0, args...)
	}
	s.want(0, "workspace", "config")
	s.want(0, "compute", "ssh-config", "by-key")
	s.zaffre("doctor")
	s.zaffre("compute", "trust", "by-key")
	if code, _ := s.send("GET", "/metrics", user, ""); code >= 500 {
		s.Errorf("metrics: %d", code)
	}
}
