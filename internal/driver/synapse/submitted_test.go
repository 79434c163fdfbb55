package synapse_test

import (
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/drivertest"
	"github.com/zaffre-ml/zaffre/internal/driver/synapse"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

func TestMasterConformance(t *testing.T) {
	drivertest.Run(t, func(t *testing.T) drivertest.Harness {
		good := onMaster(t, os.Getenv("ENGINES_SPARK_MASTER"))
		alias := good
		alias.ID += "b"
		nowhere := good
		nowhere.On = nil
		change := func(name, check string, code fault.Code, reason string, changes map[string]any) drivertest.Refusal {
			return drivertest.Refusal{Name: name, Target: with(good, changes), Check: check, Code: code, Reason: reason}
		}
		return drivertest.Harness{
			Kind: synapse.Kind(), Target: good, Alias: &alias, Script: posix, Definition: definition,
			Crash: func(t *testing.T, _ driver.Conn) { crash(t, good) },
			Refusals: []drivertest.Refusal{
				{Name: "no host", Target: nowhere, Code: fault.Invalid, Reason: "HostMissing"},
				change("two ways", "", fault.Invalid, "OptionInvalid", map[string]any{"connect": "sc://localhost"}),
				change("a folder", "", fault.Invalid, "OptionInvalid", map[string]any{"store": "/shared"}),
				change("another master", "", fault.Invalid, "OptionInvalid", map[string]any{"master": "mesos://x"}),
				change("no Spark", "spark-submit", fault.Precondition, "SparkMissing", map[string]any{"sparkHome": "/no/such/spark"}),
				change("no Java", "java", fault.Precondition, "JavaMissing", map[string]any{"javaHome": "/no/such/java"}),
				change("no master", "master", fault.Unavailable, "MasterAway", map[string]any{"master": "spark://127.0.0.1:1"}),
				change("no YARN", "configuration", fault.Precondition, "YARNUnconfigured", map[string]any{"master": "yarn"}),
			},
		}
	})
}

// program is a run of one file: one file.
func program(text string, options map[string]any) driver.Job {
	j := withOptions(drivertest.NewJob("python", "-c", text), options)
	j.Command = []string{"python", "train.py"}
	j.Files = code{"train.py": text}
	j.Runtime.Python = os.Getenv("PYSPARK_PYTHON")
	return j
}

func TestMasterRuns(t *testing.T) {
	target := with(onMaster(t, "local[1]"), map[string]any{"resourceId": "/subscriptions/S/resourceGroups/G/providers/Microsoft.Synapse/workspaces/W/bigDataPools/mine"})
	c := connect(t, target)
	o, err := c.Observe(t.Context())
	if err != nil || !o.Ready || o.Facts["cluster"] != "mine" || o.Facts["spark.master"] != "local[1]" || len(o.Machines) != 1 || !strings.HasPrefix(o.Identity, "synapse/") {
		t.Fatalf("the target is %+v, %v", o, err)
	}
	j := program(count+`print(s.conf.get("spark.zaffre.answer"), s.sparkContext.master)`, map[string]any{"conf": map[string]any{"spark.zaffre.answer": float64(42), "spark.ui.enabled": false}})
	j.Env = map[string]string{"SPARK_REMOTE": "sc://localhost:1"} // spark-submit refuses to run beside it
	h := drivertest.Started(t, c, j)
	if st := drivertest.Await(t, c, h, drivertest.Final); st.State != driver.JobDone || !strings.Contains(drivertest.Log(t, c, h, 0), "count 42\n42 local[1]") {
		t.Errorf("the job is %+v\n%s", st, drivertest.Log(t, c, h, 0))
	}
	jars, _ := filepath.Glob(filepath.Join(os.Getenv("SPARK_HOME"), "jars", "spark-core_*.jar"))
	h = drivertest.Started(t, c, withOptions(drivertest.NewJob(jars[0], "--version"), map[string]any{"className": "org.apache.spark.deploy.SparkSubmit"}))
	if st := drivertest.Await(t, c, h, drivertest.Final); st.State != driver.JobDone || !strings.Contains(drivertest.Log(t, c, h, 0), "Welcome to") {
		t.Errorf("the JAR is %+v\n%s", st, drivertest.Log(t, c, h, 0))
	}
	_, err = c.Start(t.Context(), program(count, map[string]any{"deployMode": "cluster"}))
	drivertest.WantReason(t, err, fault.Unsupported, "DeployModeUnsupported")
	_, err = c.Start(t.Context(), program(count, map[string]any{"idleTimeout": time.Minute}))
	drivertest.WantReason(t, err, fault.Invalid, "OptionInvalid")
}

// running makes an application that notices its end.
const running = `
import time
from pyspark.sql import SparkSession
s = SparkSession.builder.getOrCreate()
while True:
    s.range(10).count()
    time.sleep(0.2)
`

// TestApplicationKilled: somebody ends an application at the master, of a run and of a session.
func TestApplicationKilled(t *testing.T) {
	c := connect(t, onMaster(t, os.Getenv("ENGINES_SPARK_MASTER")))
	h := drivertest.Started(t, c, program(running, map[string]any{"conf": map[string]any{"spark.cores.max": float64(1), "spark.executor.memory": "512m"}}))
	st := drivertest.Await(t, c, h, func(st driver.JobStatus) bool {
		return st.State.Final() || strings.Contains(st.Message, "application of Spark: ")
	})
	_, app, _ := strings.Cut(st.Message, "application of Spark: ")
	end(t, app)
	if st := drivertest.Await(t, c, h, drivertest.Final); st.State != driver.JobFailed || st.Reason != "ExitCode" {
		t.Errorf("the job is %+v\n%s", st, drivertest.Log(t, c, h, 0))
	}
	s := c.(driver.Sessions)
	session(t, s, driver.Session{Name: "one", Language: "pyspark", Options: map[string]any{"totalExecutorCores": int64(1), "executorMemory": "512m"}})
	told := stated(t, s, "one", 0, "sc.applicationId")
	end(t, strings.Trim(told.Output["text/plain"], "'"))
	if st := stands(t, s, "one", driver.SessionDead); st.Reason != "SessionDied" || !strings.Contains(st.Message, "application has ended") {
		t.Errorf("the session is %+v", st)
	}
	_, err := s.ReadStatement(t.Context(), "one", 0)
	drivertest.WantReason(t, err, fault.Precondition, "SessionDied")
}

// end has the master end an application.
func end(t *testing.T, app string) {
	t.Helper()
	if !strings.HasPrefix(app, "app-") {
		t.Fatalf("%q is no application", app)
	}
	form := url.Values{"id": {app}, "terminate": {"true"}}
	q, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, os.Getenv("ENGINES_SPARK_UI")+"/app/kill/", strings.NewReader(form.Encode()))
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
}

func TestMasterSessions(t *testing.T) {
	target := onMaster(t, "local[1]")
	drivertest.RunSessions(t, drivertest.SessionHarness{
		Kind: synapse.Kind(), Target: target, Language: "pyspark", Code: python,
		Options: map[string]any{"conf": map[string]any{"spark.ui.enabled": false}},
		Kill:    func(t *testing.T, name string) { kill(t, interpreter(name)) },
	})
	s := connect(t, target).(driver.Sessions)
	_, err := s.StartSession(t.Context(), driver.Session{Name: "far", Language: "pyspark", Options: map[string]any{"deployMode": "cluster"}})
	drivertest.WantReason(t, err, fault.Invalid, "OptionInvalid")
	if _, err := s.StartSession(t.Context(), driver.Session{Name: "much", Language: "pyspark", Options: map[string]any{"driverMemory": "much"}}); err != nil {
		t.Fatal(err)
	}
	if st := stands(t, s, "much", driver.SessionDead); st.Reason != "NotStarted" || !strings.Contains(st.Message, "much") {
		t.Errorf("a session that spark-submit does not take is %+v", st)
	}
}
