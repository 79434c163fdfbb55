package agent

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
)

// relayDir is the folder of the root that holds answers for when the server is away.
const relayDir = "relay"

// maxKept bounds an answer that is kept, maxAnswers their number.
const (
	maxKept    = 256 << 10
	maxAnswers = 500
)

// keptPaths are what clients read when they start, and fail without: the list of clouds, where the data plane is,
// the workspace, and the run itself.
var keptPaths = regexp.MustCompile(`(?i)^(/metadata/|/discovery/|(/rp/workspaces)?/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.MachineLearningServices/workspaces/[^/]+$|/subscriptions$|/history/v1\.0/.*/runs/[^/]+$|/history/v1\.0/.*/experiments/[^/]+$)`)

// relayCache keeps answers on disk: those that anybody may have for all jobs of the root, the others for the run
// whose token asked. What differs between jobs, the address of their relay, is put in anew.
type relayCache struct{ dir, token string }

// kept is one answer.
type kept struct {
	Host string `json:"host"` // by which it was asked
	Type string `json:"type"`
	Body []byte `json:"body"`
}

func (c relayCache) file(req *http.Request) (string, bool) {
	if req.Method != http.MethodGet || !keptPaths.MatchString(req.URL.Path) {
		return "", false
	}
	key := req.URL.RequestURI()
	if !isOpen(req.URL.Path) {
		key += "\n" + c.token
	}
	sum := sha256.Sum256([]byte(key))
	return filepath.Join(c.dir, hex.EncodeToString(sum[:16])+".json"), true
}

// keep notes an answer that a client may need when the server is away.
func (c relayCache) keep(resp *http.Response) error {
	name, ok := c.file(resp.Request)
	if !ok || resp.StatusCode != http.StatusOK {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxKept))
	if err != nil {
		return err
	}
	if len(body) == maxKept {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(body), resp.Body), resp.Body}
		return nil
	}
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(body))
	c.write(name, kept{Host: resp.Request.Host, Type: resp.Header.Get("Content-Type"), Body: body})
	return nil
}

// write keeps an answer. A full disk keeps none, and the client has it all the same.
func (c relayCache) write(name string, k kept) {
	if os.MkdirAll(c.dir, 0o700) != nil {
		return
	}
	if list, err := os.ReadDir(c.dir); err != nil || len(list) >= maxAnswers && !exists(name) {
		return
	}
	f, err := os.CreateTemp(c.dir, "new-") // supervisors of several jobs may keep it at once
	if err != nil {
		return
	}
	defer os.Remove(f.Name())
	err = json.NewEncoder(f).Encode(k)
	if errors.Join(err, f.Close()) == nil {
		_ = os.Rename(f.Name(), name)
	}
}

// has reports whether there is an answer for when the server is away.
func (c relayCache) has(req *http.Request) bool {
	name, ok := c.file(req)
	return ok && exists(name)
}

// answer answers with what was kept.
func (c relayCache) answer(w http.ResponseWriter, req *http.Request) bool {
	name, ok := c.file(req)
	if !ok {
		return false
	}
	var k kept
	if found, err := readJSON(name, &k); err != nil || !found {
		return false
	}
	w.Header().Set("Content-Type", k.Type)
	w.Header().Set("Warning", `110 - "the server is away"`)
	_, _ = w.Write(bytes.ReplaceAll(k.Body, []byte(k.Host), []byte(req.Host)))
	return true
}
