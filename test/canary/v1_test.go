package canary_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// insideV1 is what a script of SDK v1 does in its run, by the relay: files by signed addresses, right and wrong ones,
// and a secret of the vault. It hands out what must be seen nowhere, for the search to know.
const insideV1 = `
import json, os, ssl, urllib.error, urllib.request
tls = ssl.create_default_context(cafile=os.environ["REQUESTS_CA_BUNDLE"])
base, token, run = os.environ["AZUREML_SERVICE_ENDPOINT"], os.environ["AZUREML_RUN_TOKEN"], os.environ["AZUREML_RUN_ID"]
ws = "/subscriptions/%s/resourceGroups/%s/providers/Microsoft.MachineLearningServices/workspaces/%s" % tuple(os.environ["AZUREML_ARM_" + n] for n in ("SUBSCRIPTION", "RESOURCEGROUP", "WORKSPACE_NAME"))
files = "/artifact/v2.0" + ws + "/artifacts/"
of = "/ExperimentRun/dcid." + run
def ask(method, url, body=None, headers=None):
    raw = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
    r = urllib.request.Request(url.replace("acct.blob.x@", ""), raw, headers or {"Authorization": "Bearer " + token, "Content-Type": "application/json"}, method=method)
    try:
        a = urllib.request.urlopen(r, context=tls)
        return a.status, a.read()
    except urllib.error.HTTPError as e:
        return e.code, b"{}"
said = []
status, answer = ask("POST", base + files + "batch/metadata" + of, {"paths": [{"path": "outputs/c.txt"}]})
write = json.loads(answer)["artifactContentInformation"]["outputs/c.txt"]["contentUri"]
put = {"x-ms-blob-type": "BlockBlob"}
for url in (write, write.replace("sig=", "sig=x"), write + "&comp=" + token, write.replace("/zblob/", "/zblob/../")):
    said.append(ask("PUT", url, b"text", put)[0])
status, answer = ask("GET", base + files + "contentinfo" + of + "/outputs/c.txt")
read = json.loads(answer)["contentUri"]
for url in (read, read.replace("sig=", "sig=x"), read + "&comp=list"):
    said.append(ask("GET", url, None, {"X": "y"})[0])
said.append(ask("PUT", read, b"text", put)[0])
status, answer = ask("GET", base + "/credential/v2.0" + ws + "/secrets/kept")
said.append(status if json.loads(answer).get("value") else 0)
said.append(ask("POST", base + "/history/v1.0" + ws + "/experiments/canary/runs:query", {"filter": "(" + token + " eq 1)"})[0])
print("ANSWERS", *said)
def sig(url):
    return dict(p.split("=", 1) for p in url.split("?")[1].split("&"))["sig"]
print("MASKED", " ".join(str([ord(c) for c in p]).replace(" ", "") for p in (token, sig(write), sig(read))))
`

// unmask reads what a script wrote in numbers.
func (s *stage) unmask(out string) (parts []string) {
	s.Helper()
	_, after, _ := strings.Cut(out, "MASKED ")
	line, _, _ := strings.Cut(after, "\n")
	for _, field := range strings.Fields(line) {
		var numbers []rune
		if err := json.Unmarshal([]byte(field), &numbers); err != nil {
			s.Fatalf("%v in %q", err, out)
		}
		parts = append(parts, string(numbers))
	}
	return parts
}

// throughV1 does what SDK v1 does: code by signed addresses, a run on the server and one on the machine that use the
// relay, one that the client executes, and a password in an environment.
func (s *stage) throughV1(g given, user string) {
	_, c := s.send("GET", "/api/v1/workspaces/default/client-config", user, "")
	ws := fmt.Sprintf("/subscriptions/%v/resourceGroups/%v/providers/Microsoft.MachineLearningServices/workspaces/%v", c["subscription_id"], c["resource_group"], c["workspace_name"])
	environment := map[string]any{
		"name": "canary", "python": map[string]any{"userManagedDependencies": true, "interpreterPath": "python3"},
		"docker": map[string]any{"enabled": false, "baseImageRegistry": map[string]any{"address": "r.example", "username": "u", "password": g.spare}},
	}
	if code, answer := s.send("PUT", "/environment/v1.0"+ws+"/environments/canary", user, text(environment)); code != 200 {
		s.Errorf("the environment: %d %v", code, answer)
	}
	guid := s.v1Code(ws, user)
	for _, compute := range []string{"server", "by-key"} {
		name := "canary_" + compute
		definition := map[string]any{"SnapshotId": guid, "Configuration": map[string]any{"target": compute, "script": "train.py", "environment": environment}}
		if code, answer := s.send("POST", "/execution/v1.0"+ws+"/experiments/canary/snapshotrun?runId="+name, user, text(definition)); code != 200 {
			s.Fatalf("the run on %s: %d %v", compute, code, answer)
		}
		at := "/history/v1.0" + ws + "/experiments/canary/runs/" + name
		s.settle(user, at, "status", "Completed", "Failed")
		out := s.v1Logs(at, user)
		if !strings.Contains(out, "ANSWERS 201 403 400 ") || !strings.Contains(out, " 200 403 400 403 200 ") {
			s.Errorf("the run on %s said %q", compute, out)
		}
		parts := s.unmask(out)
		if len(parts) != 3 {
			s.Fatalf("the run on %s said %q", compute, out)
		}
		s.plant("token of the v1 run on "+compute, parts[0])
		s.plant("signature to write of the run on "+compute, parts[1])
		s.plant("signature to read of the run on "+compute, parts[2])
		s.v1Read(ws, at, name, user, parts[0])
	}
	s.v1Local(ws, user, environment)
	for _, path := range []string{"/environment/v1.0" + ws + "/environments/canary", "/environment/v1.0" + ws + "/environments/"} {
		s.send("GET", path, user, "")
	}
}

// v1Code sends the script as azureml-core does.
func (s *stage) v1Code(ws, user string) string {
	at := "/content/v2.0" + ws + "/snapshots/"
	_, handed := s.sendTo(s.url, "POST", at+"getblob", user, `{"FileNames":["train.py"]}`)
	nodes, _ := handed["fileNodes"].([]any)
	if len(nodes) != 1 {
		s.Fatalf("no address: %v", handed)
	}
	address := fmt.Sprint(nodes[0].(map[string]any)["blobUri"])
	path := s.plantAddress("code", address)
	for query, want := range map[string]int{"": 201, "&sig=x&sig=y": 201, "&comp=nothing": 400} {
		if code, answer := s.send("PUT", path+query, "", insideV1); code != want {
			s.Errorf("the script%s: %d %v", query, code, answer)
		}
	}
	if code, _ := s.send("PUT", strings.Replace(path, "sig=", "sig=x", 1), "", insideV1); code != 403 {
		s.Errorf("a wrong signature: %d", code)
	}
	const guid = "0f8fad5b-d9cb-469f-a165-70867728950e"
	node := map[string]any{"FullName": "train.py", "BlobUri": address}
	body := map[string]any{"DirTreeNode": map[string]any{"children": map[string]any{"train.py": map[string]any{"type": "File"}}}, "FileRevisionList": map[string]any{"FileNodes": []any{node}}}
	node["BlobUri"] = strings.Replace(address, "sig=", "sig=x", 1)
	if code, answer := s.send("POST", at+guid, user, text(body)); code != 403 {
		s.Errorf("code at a wrong address: %d %v", code, answer)
	}
	node["BlobUri"] = address
	if code, answer := s.send("POST", at+guid, user, text(body)); code != 200 {
		s.Fatalf("the code: %d %v", code, answer)
	}
	s.send("GET", at+guid, user, "")
	_, packed := s.sendTo(s.url, "POST", at+guid+"/zip", user, "")
	s.send("GET", s.plantAddress("ZIP file", fmt.Sprint(packed["zipSasUri"])), "", "")
	return guid
}

// plantAddress plants the signature of an address, and returns its path and query.
func (s *stage) plantAddress(what, address string) string {
	s.Helper()
	u, err := url.Parse(address)
	if err != nil || u.Query().Get("sig") == "" {
		s.Fatalf("%s: no signed address: %v", what, err)
	}
	s.plant("signature of the "+what, u.Query().Get("sig"))
	return u.RequestURI()
}

// v1Logs returns the log of a run, by the address that its details have.
func (s *stage) v1Logs(at, user string) string {
	_, details := s.sendTo(s.url, "GET", at+"/details", user, "")
	logs, _ := details["logFiles"].(map[string]any)
	address, _ := logs["user_logs/std_log.txt"].(string)
	path := s.plantAddress("log", address)
	s.send("GET", path, "", "")
	_, raw := s.raw(s.url, "GET", path, "", "")
	return string(raw)
}

// v1Read asks for all that tells of a run, as its user and with the run's own token. What hands out addresses does so
// past the proxy, and is searched for the token alone.
func (s *stage) v1Read(ws, at, name, user, token string) {
	for _, path := range []string{at, at + "/children", "/history/v1.0" + ws + "/runs/" + name, "/artifact/v2.0" + ws + "/artifacts/ExperimentRun/dcid." + name} {
		for _, who := range []string{user, token} {
			if code, _ := s.send("GET", path, who, ""); code != 200 && code != 401 {
				s.Errorf("%s: %d", path, code)
			}
		}
	}
	s.send("GET", at+"/details", user, "") // with addresses of its own
	s.send("POST", "/credential/v2.0"+ws+"/secrets/kept", token, "{")
	s.send("PUT", "/credential/v2.0"+ws+"/secrets/new", token, text(map[string]string{"name": "new", "value": token}))
	s.want(0, "run", "show", name, "-o", "json")
	s.want(0, "artifact", "list", name)
	s.want(0, "event", "list", "-o", "json")
}

// v1Local gets the ZIP file of the target local, which has a token.
func (s *stage) v1Local(ws, user string, environment map[string]any) {
	definition := text(map[string]any{"Configuration": map[string]any{"target": "local", "script": "train.py", "environment": environment}})
	body := "--B\r\nContent-Disposition: form-data; name=\"files\"; filename=\"definition.json\"\r\n\r\n" + definition + "\r\n--B--\r\n"
	at := "/execution/v1.0" + ws + "/experiments/canary/localrun?runId=canary_local"
	form := []string{"Content-Type", "multipart/form-data; boundary=B"}
	code, raw := s.raw(s.url, "POST", at, user, body, form...)
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		s.Fatalf("no ZIP file: %d %v", code, err)
	}
	i := slices.IndexFunc(z.File, func(f *zip.File) bool { return strings.HasSuffix(f.Name, "/job.json") })
	if i < 0 {
		s.Fatal("no job in the ZIP file")
	}
	f, err := z.File[i].Open()
	if err != nil {
		s.Fatal(err)
	}
	var job struct{ Token, History string }
	if err := json.NewDecoder(f).Decode(&job); err != nil {
		s.Fatal(err)
	}
	token := s.plant("token of the local run", job.Token)
	for _, event := range []string{"Start", "Failed"} {
		event := map[string]any{"name": "Microsoft.MachineLearning.Run." + event, "timestamp": "2026-01-01T00:00:00Z", "data": map[string]string{"RunId": "canary_local"}}
		if code, answer := s.send("POST", job.History+"/events", token, text(event)); code != http.StatusOK {
			s.Errorf("an event: %d %v", code, answer)
		}
	}
	s.send("GET", job.History, token+"x", "")
	s.send("POST", at, token, strings.Replace(body, "definition.json", "other", 1), form...)
	s.want(0, "run", "show", "canary_local", "-o", "json")
}
