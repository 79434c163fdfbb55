package hdinsight_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// queueCheck returns the check of a target's queue.
func queueCheck(t *testing.T, o driver.Observation) driver.Check {
	t.Helper()
	for _, c := range o.Checks {
		if c.Name == "queue" {
			return c
		}
	}
	t.Fatalf("there is no check of the queue: %+v", o.Checks)
	return driver.Check{}
}

// TestYARNQueue: YARN is asked for the target's queue.
func TestYARNQueue(t *testing.T) {
	target := onYARN(t)
	for _, tt := range []struct{ given, is string }{{"", "default"}, {"night", "night"}, {"root.night", "root.night"}} {
		o, err := connect(t, with(target, "queue", tt.given)).Observe(t.Context())
		if err != nil || !o.Ready {
			t.Fatalf("Observe with the queue %q: %v", tt.given, err)
		}
		if c := queueCheck(t, o); !c.OK || c.Required != (tt.given != "") || strings.Join(c.Evidence, " ") != tt.is+" RUNNING" {
			t.Errorf("of the queue %q it says %+v", tt.given, c)
		}
	}
	o, err := connect(t, with(target, "queue", "nosuch")).Observe(t.Context())
	if fault.ReasonOf(err) != "QueueUnknown" || fault.CodeOf(err) != fault.Precondition || o.Ready || o.Exists {
		t.Errorf("Observe with a queue that is not there: %v, %+v", err, o)
	}
	if c := queueCheck(t, o); c.OK || c.Reason != "QueueUnknown" || !strings.Contains(c.Fix, "mapred queue -list") {
		t.Errorf("it says %+v", c)
	}
}

// TestYARNRefuses: a run names a queue of its own, which is not there, or has only queues below it.
func TestYARNRefuses(t *testing.T) {
	target := onYARN(t)
	for _, mode := range []string{"client", "cluster"} {
		for _, queue := range []string{"nosuch", "root"} {
			c := connect(t, target)
			h := start(t, c, yarnJob(begin, map[string]any{"queue": queue, "deployMode": mode}))
			st := await(t, c, h, "the end", final)
			if st.State != driver.JobFailed || st.Reason != "QueueUnknown" || st.ExitCode == 0 || !strings.Contains(st.Message, `"`+queue+`"`) {
				t.Errorf("with the queue %s, in mode %s: %+v\n%s", queue, mode, st, logOf(t, c, h))
			}
			if again, err := connect(t, target).Poll(t.Context(), h); err != nil || again.Reason != st.Reason || again.Message != st.Message {
				t.Errorf("asked again it says %+v, %v", again, err)
			}
		}
	}
	c := connect(t, target)
	h := start(t, c, yarnJob(begin+"raise SystemExit(3)", map[string]any{"queue": "night"}))
	if st := await(t, c, h, "the end", final); st.State != driver.JobFailed || st.Reason != "ExitCode" || !named(st) {
		t.Errorf("in a queue that is there: %+v", st)
	}
}

// answering returns the head node with a YARN that answers so, whatever it is asked.
func answering(t *testing.T, answer string) driver.Target {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"conf/yarn-site.xml": "<configuration/>", "jars/spark-core_2.12-3.5.9.jar": "", "bin/spark-submit": "#!/bin/sh\n",
		"bin/spark-class": "#!/bin/sh\ncat <<'END'\n" + answer + "\nEND\nexit 255\n",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return own(t, with(with(with(head(t), "master", "yarn"), "sparkHome", dir), "hadoopConf", filepath.Join(dir, "conf")))
}

// TestQueueOnlySaid: runs may name another queue than the usual one, and a YARN that cannot be asked says nothing of any.
func TestQueueOnlySaid(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		answer, queue, reason, says string
		ready                       bool
	}{
		{"Cannot get queue from RM by queueName = default, please check.", "", "QueueUnknown", `no queue "default"`, true},
		{"Cannot get queue from RM by queueName = night, please check.", "night", "QueueUnknown", `no queue "night"`, false},
		{"java.net.ConnectException: Connection refused", "night", "", "Connection refused", true},
		{"", "night", "", "could not be asked", true},
	} {
		o, err := connect(t, with(answering(t, tt.answer), "queue", tt.queue)).Observe(t.Context())
		if o.Ready != tt.ready || (err == nil) != tt.ready {
			t.Errorf("%q: Observe: %v, %+v", tt.answer, err, o)
		}
		if c := queueCheck(t, o); c.OK != (tt.reason == "") || c.Reason != tt.reason || !strings.Contains(strings.Join(c.Evidence, "; "), tt.says) {
			t.Errorf("%q: it says %+v", tt.answer, c)
		}
	}
}
