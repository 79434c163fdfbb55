package hdinsight_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
)

// onYARN returns the head node with the YARN of test/engines/yarn.sh.
func onYARN(t *testing.T) driver.Target {
	t.Helper()
	conf := os.Getenv("TEST_YARN")
	if conf == "" {
		t.Skip(`needs YARN: test/engines/yarn.sh up; eval "$(test/engines/yarn.sh env)"`)
	}
	return own(t, with(with(head(t), "master", "yarn"), "hadoopConf", conf))
}

// yarnJob is a job of which YARN's own settings are told as an administrator would: by Spark's defaults.
func yarnJob(text string, options map[string]any) driver.Job {
	j := job(text, options)
	j.Env = map[string]string{"SPARK_CONF_DIR": os.Getenv("SPARK_CONF_DIR")}
	return j
}

func TestYARN(t *testing.T) {
	target := onYARN(t)
	c := connect(t, target)
	o, err := c.Observe(t.Context())
	if err != nil || !o.Ready || o.Facts["spark.master"] != "yarn" {
		t.Fatalf("Observe: %v, %+v", err, o)
	}
	h := start(t, c, yarnJob(begin+`print("sum", spark.range(100).selectExpr("sum(id)").first()[0])`, map[string]any{"queue": "default"}))
	st := await(t, c, h, "the end", final)
	if log := logOf(t, c, h); st.State != driver.JobDone || !strings.Contains(log, "sum 4950") || !strings.Contains(st.Message, "application_") {
		t.Errorf("the job is %+v\n%s", st, log)
	}
	h = start(t, c, yarnJob("", map[string]any{"queue": "default", "deployMode": "cluster"}))
	if st = await(t, c, h, "the end", final); st.State != driver.JobFailed { // a script that makes no session
		t.Logf("a script without a session, in mode cluster, is %+v", st)
	}
}

// TestYARNCancel: in mode cluster the driver is elsewhere, and ends only by YARN.
func TestYARNCancel(t *testing.T) {
	for _, mode := range []string{"client", "cluster"} {
		t.Run(mode, func(t *testing.T) {
			c := connect(t, onYARN(t))
			h := start(t, c, yarnJob(begin+"time.sleep(600)", map[string]any{"deployMode": mode}))
			st := await(t, c, h, "the application", named)
			_, app, _ := strings.Cut(st.Message, "application of Spark: ")
			if err := c.Cancel(t.Context(), h); err != nil {
				t.Fatal(err)
			}
			if st := await(t, c, h, "the end", final); st.State != driver.JobCanceled {
				t.Errorf("the job is %+v", st)
			}
			for end := time.Now().Add(3 * time.Minute); !strings.Contains(over(t), app); time.Sleep(500 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("YARN still runs %s: %s", app, over(t))
				}
			}
		})
	}
}

// over returns YARN's list of applications that are over. The REST service of this YARN has another form than
// Hadoop's.
func over(t *testing.T) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(os.Getenv("SPARK_HOME"), "bin/spark-class"),
		"org.apache.hadoop.yarn.client.cli.ApplicationCLI", "application", "-list", "-appStates", "KILLED,FAILED,FINISHED")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
