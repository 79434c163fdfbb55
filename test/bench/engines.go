package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/test/rig"
)

// slurmRuns measures a run of true on a Slurm cluster whose login node is this machine, beside sbatch.
func slurmRuns(ctx context.Context, b *bench) ([]Figure, error) {
	conf, up := engine("TEST_SLURM", "slurm")
	if !up {
		return nil, nil
	}
	s, err := b.serve(ctx, rig.Options{Env: []string{"ZAFFRE_LOCAL_USER=same"}})
	if err != nil {
		return nil, err
	}
	defer s.Stop()
	if err := target(ctx, s, client.Compute{Name: "hpc", Kind: "batch", Options: map[string]any{"slurm": "server", "slurmConf": conf, "workDirectory": filepath.Join(b.scratch, "slurm-work")}}); err != nil {
		return nil, err
	}
	request, turn := command("true"), 0
	request.Compute = "hpc"
	f, err := rival{
		what: "a run of true on a Slurm cluster, submitted to ended", tool: "sbatch", ours: byZaffre(s, request, nil), rest: 2 * time.Second,
		bare: func(ctx context.Context) (time.Duration, error) {
			turn++
			return bySbatch(ctx, conf, filepath.Join(b.scratch, fmt.Sprint("slurm", turn)))
		},
	}.compare(ctx, b)
	return []Figure{f}, err
}

// bySbatch ends when the job's last act can be seen.
func bySbatch(ctx context.Context, conf, end string) (time.Duration, error) {
	began := time.Now()
	cmd := exec.CommandContext(ctx, "sbatch", "--parsable", "--output=/dev/null", "--wrap=true; touch "+end)
	cmd.Env = append(os.Environ(), "SLURM_CONF="+conf)
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("%w: %s", err, out)
	}
	for {
		if _, err := os.Stat(end); err == nil {
			return time.Since(began), nil
		}
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return 0, err
		}
	}
}

// sparkScript is a trivial job of Spark's.
const sparkScript = "from pyspark.sql import SparkSession\nprint(SparkSession.builder.getOrCreate().range(1).count())\n"

// sparkRuns measures a script of Spark's by the head node, beside spark-submit there.
func sparkRuns(ctx context.Context, b *bench) ([]Figure, error) {
	place, up := engine("TEST_SPARK", "spark")
	if !up {
		return nil, nil
	}
	s, err := b.serve(ctx, rig.Options{})
	if err != nil {
		return nil, err
	}
	defer s.Stop()
	if err := headNode(ctx, b, s, place); err != nil {
		return nil, err
	}
	folder, snapshot, err := scriptOf(ctx, b, s, "spark", sparkScript)
	if err != nil {
		return nil, err
	}
	request, outside := command("python", "main.py"), new([]time.Duration)
	request.Compute, request.Snapshot = "spark", snapshot
	f, err := rival{
		what: "a script that counts one row by Spark in local mode, by the head node, submitted to ended", tool: "spark-submit", ours: byZaffre(s, request, outside), outside: outside,
		bare: func(ctx context.Context) (time.Duration, error) {
			began := time.Now()
			cmd := exec.CommandContext(ctx, filepath.Join(os.Getenv("SPARK_HOME"), "bin", "spark-submit"), "--master", "local[1]", filepath.Join(folder, "main.py"))
			if out, err := cmd.CombinedOutput(); err != nil {
				return 0, fmt.Errorf("%w: %s", err, out)
			}
			return time.Since(began), nil
		},
	}.compare(ctx, b)
	return []Figure{f}, err
}

func headNode(ctx context.Context, b *bench, s *rig.Server, place string) error {
	key, err := os.ReadFile(os.Getenv("ENGINES_SPARK_KEY"))
	if err != nil {
		return err
	}
	host, text, err := net.SplitHostPort(place)
	if err != nil {
		return err
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return err
	}
	return target(ctx, s, client.Compute{Name: "spark", Kind: "hdinsight", Options: map[string]any{
		"address": host, "sshPort": port, "administratorAccount.username": os.Getenv("ENGINES_SPARK_USER"), "administratorAccount.privateKeyData": string(key),
		"master": "local[1]", "sparkHome": os.Getenv("SPARK_HOME"), "workDirectory": filepath.Join(b.scratch, "spark-work"),
	}})
}

// livyRuns measures a script of Spark's by Livy, beside a request to its batches.
func livyRuns(ctx context.Context, b *bench) ([]Figure, error) {
	url, up := engine("TEST_LIVY", "livy")
	if !up {
		return nil, nil
	}
	files, err := os.MkdirTemp(os.Getenv("ENGINES_LIVY_FILES"), "bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(files)
	s, err := b.serve(ctx, rig.Options{})
	if err != nil {
		return nil, err
	}
	defer s.Stop()
	if err := target(ctx, s, client.Compute{Name: "pool", Kind: "synapse", Options: map[string]any{"livy": url, "store": files}}); err != nil {
		return nil, err
	}
	_, snapshot, err := scriptOf(ctx, b, s, "livy", sparkScript)
	if err != nil {
		return nil, err
	}
	if err := rig.WriteFile(files, "bare.py", sparkScript); err != nil {
		return nil, err
	}
	request := command("python", "main.py")
	request.Compute, request.Snapshot = "pool", snapshot
	f, err := rival{
		what: "the same by Livy, submitted to ended", tool: "POST /batches", ours: byZaffre(s, request, nil),
		bare: func(ctx context.Context) (time.Duration, error) {
			return byLivy(ctx, url, filepath.Join(files, "bare.py"))
		},
	}.compare(ctx, b)
	return []Figure{f}, err
}

// byLivy begins a batch and looks every 100 ms whether it has ended.
func byLivy(ctx context.Context, url, file string) (time.Duration, error) {
	began := time.Now()
	body, err := json.Marshal(map[string]any{"file": file})
	if err != nil {
		return 0, err
	}
	var batch struct {
		ID    int
		State string
	}
	err = livyAnswer(ctx, http.MethodPost, url+"/batches", body, &batch)
	for err == nil && batch.State != "success" {
		if batch.State == "dead" || batch.State == "killed" {
			return 0, errors.New("the batch is " + batch.State)
		}
		if err = pause(ctx, 100*time.Millisecond); err == nil {
			err = livyAnswer(ctx, http.MethodGet, fmt.Sprintf("%s/batches/%d/state", url, batch.ID), nil, &batch)
		}
	}
	took := time.Since(began)
	if err == nil {
		err = livyAnswer(ctx, http.MethodDelete, fmt.Sprintf("%s/batches/%d", url, batch.ID), nil, new(any))
	}
	return took, err
}

func livyAnswer(ctx context.Context, method, url string, body []byte, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return errors.New(resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

const (
	usqlScript = `@rows = EXTRACT fruit string, crates int FROM "/in.csv" USING Extractors.Csv(skipFirstNRows: 1);
@sums = SELECT fruit, SUM(crates) AS total FROM @rows GROUP BY fruit;
OUTPUT @sums TO "/out.csv" ORDER BY total DESC USING Outputters.Csv(outputHeader: true);
`
	duckScript = `import duckdb
duckdb.sql("COPY (SELECT fruit, SUM(crates) AS total FROM read_csv('in.csv') GROUP BY fruit ORDER BY total DESC) TO 'bare.csv' (HEADER)")
`
	usqlRows = 1000
)

// usqlRuns measures a script of U-SQL, beside the same query in DuckDB by Python.
func usqlRuns(ctx context.Context, b *bench) ([]Figure, error) {
	python := os.Getenv("TEST_DUCKDB_PYTHON")
	if python == "" {
		fmt.Fprintln(os.Stderr, "left out: TEST_DUCKDB_PYTHON does not name a Python with duckdb")
		return nil, nil
	}
	dir := filepath.Join(b.scratch, "usql")
	rows := "fruit,crates\n" + strings.Repeat("apple,3\npear,4\n", usqlRows/2)
	if err := errors.Join(rig.WriteFile(dir, "in.csv", rows), rig.WriteFile(dir, "sum.usql", usqlScript)); err != nil {
		return nil, err
	}
	in := func(name string, arg ...string) func(context.Context) (time.Duration, error) {
		return func(ctx context.Context) (time.Duration, error) {
			began := time.Now()
			cmd := exec.CommandContext(ctx, name, arg...)
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err != nil {
				return 0, fmt.Errorf("%w: %s", err, out)
			}
			return time.Since(began), nil
		}
	}
	f, err := rival{
		what: fmt.Sprintf("a script of U-SQL that sums %d rows by fruit", usqlRows), tool: "duckdb in Python",
		ours: in(b.bin, "usql", "run", "--store", ".", "--python", python, "sum.usql"), bare: in(python, "-c", duckScript),
	}.compare(ctx, b)
	return []Figure{f}, err
}
