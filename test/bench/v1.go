package main

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/test/rig"
)

const (
	v1Version = "1.61.0.post4"
	v1Goal    = 300 * time.Millisecond
)

//go:embed peer/sdk_v1.py
var v1Script string

// v1Submit is one submit by the SDK, to the end of the run.
type v1Submit struct {
	Run         string
	Began, Took float64 // seconds
}

// sdkV1 measures whole submits by azureml-core, and what of their time is ours: the answers to all of the client's
// requests, and the run from its submit to its process' end. The rest is the client's own, and its pauses.
func sdkV1(ctx context.Context, b *bench) ([]Figure, error) {
	venv, err := b.venv(ctx, "azureml-core-"+v1Version, "import azureml.core", "azureml-core=="+v1Version, "setuptools<81")
	if err != nil {
		return nil, err
	}
	s, err := b.serve(ctx, rig.Options{Env: []string{"ZAFFRE_LOG_LEVEL=debug"}})
	if err != nil {
		return nil, err
	}
	defer s.Stop()
	list, err := v1Submits(ctx, b, s, venv)
	if err != nil {
		return nil, err
	}
	var ours, whole []time.Duration
	requests := 0
	for _, one := range list[1:] { // the first starts the agent
		r, err := s.C.Run(ctx, s.WS, one.Run)
		if err != nil {
			return nil, err
		}
		if r.State != "Completed" {
			return nil, failedRun(r)
		}
		n, answers, err := answered(s, one)
		if err != nil {
			return nil, err
		}
		last := r.Attempts[len(r.Attempts)-1]
		ours = append(ours, answers+last.Ended.Sub(r.Created))
		whole, requests = append(whole, time.Duration(one.Took*float64(time.Second))), n
	}
	return []Figure{{
		What:   fmt.Sprintf("a submit by azureml-core %s, followed to its end, and our part of its time", v1Version),
		Zaffre: fmt.Sprintf("%s, p95 %s", ms(middle(ours)), ms(late(ours))), Peer: "whole, with the client's own: " + ms(middle(whole)),
		Ratio: ratio(middle(ours), middle(whole)), Goal: "< 300 ms of ours", OK: new(late(ours) < v1Goal),
		Note:   fmt.Sprintf("%d requests; the run with its process is in it; the client pauses 2 s and more between two looks", requests),
		Values: map[string]float64{"p50": millis(middle(ours)), "p95": millis(late(ours)), "whole_p50": millis(middle(whole))},
	}}, nil
}

func v1Submits(ctx context.Context, b *bench, s *rig.Server, venv string) (list []v1Submit, err error) {
	home := filepath.Join(b.scratch, "v1")
	if err := rig.WriteFile(home, "sdk_v1.py", v1Script); err != nil {
		return nil, err
	}
	config, err := s.C.WorkspaceConfig(ctx, s.WS)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	vars, err := s.C.ClientEnv(ctx, s.WS, client.EnvOptions{Bundle: filepath.Join(s.Data, "ca.pem"), ConfigDir: filepath.Join(home, "azure")})
	if err != nil {
		return nil, err
	}
	if err := rig.WriteFile(home, "config.json", string(text)); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(venv, "bin", "python"), "sdk_v1.py", fmt.Sprint(b.times(10, 3)+1), "python3")
	cmd.Dir, cmd.Stderr = home, os.Stderr
	cmd.Env = append(os.Environ(), "HOME="+home, "PYTHONWARNINGS=ignore")
	for _, v := range vars {
		cmd.Env = append(cmd.Env, v.Name+"="+v.Value)
	}
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return list, json.Unmarshal([]byte(lines[len(lines)-1]), &list)
}

var requestLine = regexp.MustCompile(`^time=(\S+) .*msg=request .*took=(\S+)`)

// answered reads from the server's log how many requests it had during a submit, and how long their answers took.
func answered(s *rig.Server, one v1Submit) (n int, took time.Duration, err error) {
	f, err := os.Open(s.Data + ".log")
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	began := time.UnixMilli(int64(one.Began * 1e3))
	end := began.Add(time.Duration(one.Took * float64(time.Second)))
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		m := requestLine.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		at, errAt := time.Parse(time.RFC3339Nano, m[1])
		d, errTook := time.ParseDuration(m[2])
		if errAt == nil && errTook == nil && !at.Before(began) && at.Before(end) {
			n, took = n+1, took+d
		}
	}
	return n, took, lines.Err()
}
