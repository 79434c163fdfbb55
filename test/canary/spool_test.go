package canary_test

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/zaffre-ml/zaffre/client"
)

// logging logs a secret again and again, and says in a file of its own how.
const logging = `
import json, os, ssl, time, urllib.request
url, token = os.environ["MLFLOW_TRACKING_URI"], os.environ["MLFLOW_TRACKING_TOKEN"]
where = os.path.expanduser("~/spool-canary.json")
os.close(os.open(where, os.O_CREAT | os.O_WRONLY, 0o600))
json.dump({"url": url, "token": token, "job": os.path.dirname(os.environ["MLFLOW_TRACKING_SERVER_CERT_PATH"])}, open(where, "w"))
tls = ssl.create_default_context(cafile=os.environ["REQUESTS_CA_BUNDLE"])
for step in range(100000):
    body = json.dumps({"run_id": os.environ["MLFLOW_RUN_ID"], "key": "note", "value": os.environ["NOTE"] + str(step)}).encode()
    q = urllib.request.Request(url + "/api/2.0/mlflow/runs/set-tag", body, {"Authorization": "Bearer " + token, "Content-Type": "application/json"})
    urllib.request.urlopen(q, context=tls).read()
    time.sleep(0.05)
`

// asOther tries everything that another user of the machine could: it prints what it got. $1 is the job's folder, $2 the
// relay's address, $3 the agent's folder.
const asOther = `
ls "$1/spool" && echo GOT list; cat "$1"/spool/* && echo GOT spool; cat "$1/spec.json" && echo GOT spec; cat "$1/relay.json" && echo GOT key
echo x >>"$1/spool/0000000000000001" && echo GOT write
for path in /api/2.0/mlflow/runs/set-tag /metadata/../api/2.0/mlflow/runs/set-tag /metadata/api/2.0/mlflow/runs/set-tag /api/2.0/mlflow/runs/get; do
  case $path in /metadata/api*) within=2 ;; *) within=60 ;; esac # open to all, it waits for the server
  for auth in "X: y" "Authorization: Bearer wrong" "X-Zaffre-Sequence: 1"; do
    echo "CODE $(curl -sk -m $within --path-as-is -o /dev/null -w '%{http_code}' -X POST -H "$auth" -d '{"run_id":"stranger"}' "$2$path") $path"
  done
done
curl -s -m 2 --unix-socket "$3/home.sock" http://home/readyz && echo GOT socket
for p in /proc/[0-9]*/environ; do cat "$p" 2>/dev/null | tr '\0' '\n' | grep -q ^MLFLOW_TRACKING_TOKEN && echo GOT environ; done
echo TRIED
`

// TestSpoolIsTheRunsOwn: while the server does not answer, other users of the machine can neither read what a run logs
// nor use its relay; and the spool holds no token.
func TestSpoolIsTheRunsOwn(t *testing.T) {
	s := open(t)
	c, err := s.direct.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	host, _, _ := net.SplitHostPort(os.Getenv("ENGINES_VM1"))
	key, err := os.ReadFile(os.Getenv("ENGINES_VM_KEY"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.AttachCompute(t.Context(), "default", client.Compute{Name: "box", Kind: "sshvm", Shared: true, Options: map[string]any{
		"address": host, "administratorAccount.username": os.Getenv("ENGINES_VM_USER"), "administratorAccount.privateKeyData": string(key),
	}})
	if err != nil {
		t.Fatal(err)
	}
	s.Cleanup(func() { s.there("rm -f /home/"+os.Getenv("ENGINES_VM_USER")+"/spool-canary.json", "") })
	note := "cnry-note-that-is-nobody-elses-"
	r, err := c.Submit(t.Context(), "default", client.RunRequest{Compute: "box", Command: []string{"python3", "-c", logging}, Variables: map[string]string{"NOTE": note}})
	if err != nil {
		t.Fatal(err)
	}
	s.eventually("a tag", func() bool {
		v, err := c.Run(t.Context(), "default", r.ID)
		return err == nil && strings.HasPrefix(v.Tags["note"], note)
	})
	var run struct{ URL, Token, Job string }
	if err := json.Unmarshal(s.there("cat /home/"+os.Getenv("ENGINES_VM_USER")+"/spool-canary.json", ""), &run); err != nil || run.Token == "" {
		t.Fatalf("%v, %+v", err, run)
	}
	if err := syscall.Kill(s.server.Process.Pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	goOn := func() { _ = syscall.Kill(s.server.Process.Pid, syscall.SIGCONT) }
	defer goOn()
	kept := func() string {
		return string(s.there(`read -r dir; cat "$dir"/spool/* 2>/dev/null || :`, run.Job+"\n"))
	}
	s.eventually("a spool", func() bool { return strings.Count(kept(), "set-tag") > 20 })
	if strings.Contains(kept(), run.Token) {
		t.Error("the spool holds the token")
	}
	root := run.Job[:strings.LastIndex(run.Job, "/jobs/")]
	got := string(s.there(`read -r dir; read -r url; read -r root; export dir url root; setpriv --reuid=65534 --regid=65534 --clear-groups sh -c "$(cat)" sh "$dir" "$url" "$root" 2>/dev/null || :`,
		strings.Join([]string{run.Job, run.URL, root, asOther}, "\n")))
	if !strings.Contains(got, "TRIED") || strings.Contains(got, "GOT ") || strings.Contains(got, note) {
		t.Errorf("another user got: %s", got)
	}
	if n := strings.Count(got, "CODE 401 "); n != 9 || strings.Count(got, "CODE ") != 12 || strings.Contains(got, "CODE 200") {
		t.Errorf("the relay answered a stranger: %s", got) // what begins with /metadata/ waits for the server: it is anybody's
	}
	if strings.Contains(kept(), "stranger") {
		t.Error("a stranger's write is kept")
	}
	goOn()
	v, err := c.Run(t.Context(), "default", r.ID)
	if err != nil {
		t.Fatal(err)
	}
	s.eventually("the tags", func() bool {
		now, err := c.Run(t.Context(), "default", r.ID)
		return err == nil && now.Tags["note"] != v.Tags["note"] && kept() == ""
	})
	if _, err := c.CancelRun(t.Context(), "default", r.ID); err != nil {
		t.Fatal(err)
	}
	s.eventually("the end", func() bool {
		v, err = c.Run(t.Context(), "default", r.ID)
		return err == nil && v.State == "Canceled"
	})
	for name := range v.Tags {
		if strings.Contains(fmt.Sprint(name, v.Tags[name]), "stranger") {
			t.Errorf("the tag %s is a stranger's", name)
		}
	}
}
