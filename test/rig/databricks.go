package rig

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// Databricks is a running simulator of a workspace: see test/engines/databricks.
type Databricks struct {
	URL, Token string
	cmd        *exec.Cmd
}

// BuildDatabricks builds the simulator, which is a module of its own, into a folder.
func BuildDatabricks(ctx context.Context, dir string) (bin string, err error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	bin = filepath.Join(dir, "databricks")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", bin, ".")
	cmd.Dir = filepath.Join(root, "test", "engines", "databricks")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("the simulator cannot be built: %w\n%s", err, out)
	}
	return bin, nil
}

// StartDatabricks starts the simulator. It keeps what it has in dir.
func StartDatabricks(bin, dir string) (*Databricks, error) {
	d := &Databricks{Token: "dapi-simulated-canary"}
	d.cmd = exec.Command(bin, "-dir", dir, "-token", d.Token, "-pip", "python3")
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	d.URL = strings.TrimSpace(line)
	return d, err
}

// Stop ends the simulator, and with it what runs there.
func (d *Databricks) Stop() {
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	_ = d.cmd.Wait()
}

// Fault is what happens to the next calls whose paths begin with Path: Kind "lost" does what is asked and
// breaks the connection, "status" answers with Code.
type Fault struct {
	Path  string `json:"path"`
	Kind  string `json:"kind"`
	Code  int    `json:"code"`
	Error string `json:"error_code"`
	Text  string `json:"message"`
	After string `json:"retry_after"`
	Times int    `json:"times"`
}

// Fail makes faults.
func (d *Databricks) Fail(faults ...Fault) error {
	for _, f := range faults {
		b, err := json.Marshal(f)
		if err != nil {
			return err
		}
		if err := d.tell("/sim/faults", "application/json", b); err != nil {
			return err
		}
	}
	return nil
}

// Set sets something of the simulator: "clusters" with id and state, "slow" with for, "forget".
func (d *Databricks) Set(what string, values url.Values) error {
	return d.tell("/sim/"+what, "application/x-www-form-urlencoded", []byte(values.Encode()))
}

func (d *Databricks) tell(path, kind string, body []byte) error {
	resp, err := http.Post(d.URL+path, kind, bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, resp.Status)
	}
	return nil
}

// Counts returns what the simulator counted: "calls" by route, or "runs".
func (d *Databricks) Counts(what string) (map[string]int, error) {
	resp, err := http.Get(d.URL + "/sim/" + what)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var out map[string]int
	return out, json.NewDecoder(resp.Body).Decode(&out)
}
