package adla_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/adla"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// away is a machine that answers nothing.
type away struct{ driver.Host }

func (away) Close() error { return nil }
func (away) Exec(context.Context, []string, driver.Stdio) (int, error) {
	return 0, awayFault()
}

func (away) Observe(context.Context) (driver.Observation, error) {
	return driver.Observation{}, awayFault()
}

func awayFault() error {
	return &fault.Error{Code: fault.Unavailable, Reason: "ConnectionRefused", What: "cannot reach the machine", Why: "it is away", Fix: "wait"}
}

// elsewhere is an account on a machine that is away.
func elsewhere() driver.Target {
	return driver.Target{
		ID: "away", Options: map[string]any{"store": "/lake", "host": "box", "duckdb": "1.4.5"}, On: map[string][]driver.Conn{"host": {away{}}},
	}
}

// TestWrongScripts: what does not compile is a run that failed, with places, and no machine sees it: this one is away.
func TestWrongScripts(t *testing.T) {
	t.Parallel()
	c := connect(t, elsewhere())
	for name, tt := range map[string]struct {
		text string
		log  []string // the first is the run's message too
	}{
		"a syntax error": {
			"@t = EXTRACT a int\n    FROM;\nOUTPUT @t TO \"/b.csv\" USING Outputters.Csv();",
			[]string{"script.usql:2:9: "},
		},
		"a type error": {
			`@t = EXTRACT a int, b string FROM "/a.csv" USING Extractors.Csv();` + "\n" + `@u = SELECT a - b AS c FROM @t;` + "\n" + `OUTPUT @u TO "/b.csv" USING Outputters.Csv();`,
			[]string{"script.usql:2:15: there is no operator - for int and string: "},
		},
		"statements that are not there": {
			"USE DATABASE master;\nREFERENCE ASSEMBLY x;\n" + fmt.Sprintf(one, "b.csv"),
			[]string{"script.usql:1:1: USE is not supported: ", "script.usql:2:1: REFERENCE ASSEMBLY is not supported: "},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := begin(t, c, scriptJob(tt.text, nil))
			st, log := ended(t, c, h)
			if st.State != driver.JobFailed || st.Reason != "USQLInvalid" || !strings.HasPrefix(st.Message, tt.log[0]) || st.Ended.IsZero() {
				t.Errorf("the job is %+v, want it failed by USQLInvalid and %q", st, tt.log[0])
			}
			if more := fmt.Sprintf("; and %d more, which its log has", len(tt.log)-1); len(tt.log) > 1 && !strings.HasSuffix(st.Message, more) {
				t.Errorf("the message %q does not say %q", st.Message, more)
			}
			for _, line := range tt.log {
				if !strings.Contains(log, "error: "+line) || !strings.Contains(log, "  what to do: ") {
					t.Errorf("the log does not say %q:\n%s", line, log)
				}
			}
			r, err := c.ReadLog(t.Context(), h, 7)
			if err != nil {
				t.Fatal(err)
			}
			if rest, err := io.ReadAll(r); string(rest) != log[7:] || err != nil {
				t.Errorf("from byte 7 on the log is %q, %v", rest, err)
			}
			list, err := c.ListOutputs(t.Context(), h)
			if err != nil || len(list) != 0 || c.Cancel(t.Context(), h) != nil || c.Release(t.Context(), h) != nil {
				t.Errorf("outputs %v, %v, and its cancel and release fail", list, err)
			}
		})
	}
}

// TestRefusedJobs: what is no script, or cannot be given to one, is refused before a machine is asked.
func TestRefusedJobs(t *testing.T) {
	t.Parallel()
	c := connect(t, elsewhere())
	good := fmt.Sprintf(one, "b.csv")
	change := func(do func(*driver.Job)) driver.Job {
		j := scriptJob(good, nil)
		do(&j)
		return j
	}
	for reason, j := range map[string]driver.Job{
		"CommandNotUSQL":       change(func(j *driver.Job) { j.Command = []string{"python", "script.py"} }),
		"ArgumentsUnsupported": change(func(j *driver.Job) { j.Command = append(j.Command, "--day") }),
		"ScriptMissing":        change(func(j *driver.Job) { j.Dir = "below" }),
		"ScriptTooLarge":       scriptJob(strings.Repeat(" ", 4<<20)+good, nil),
		"OptionInvalid":        scriptJob(good, map[string]any{"parameters": map[string]any{"@a": []any{"b"}}}),
		"ImagesUnsupported":    change(func(j *driver.Job) { j.Runtime.Image = "debian" }),
		"ConnectionRefused":    scriptJob(good, nil), // it is right, and only now the machine is needed
	} {
		if _, err := c.Start(t.Context(), j); fault.ReasonOf(err) != reason {
			t.Errorf("%v, want %s", err, reason)
		}
	}
	if _, err := c.Start(t.Context(), change(func(j *driver.Job) { j.Options = map[string]any{"degreeOfParallelism": int64(-1)} })); fault.ReasonOf(err) != "OptionInvalid" {
		t.Error(err)
	}
	o, err := c.Observe(t.Context())
	if fault.ReasonOf(err) != "ConnectionRefused" || len(o.Checks) != 1 || o.Checks[0].Name != "host" || o.Checks[0].OK {
		t.Errorf("seen %+v, %v", o, err)
	}
}

// TestParameters: they are typed as the script declares them, whatever JSON has them as.
func TestParameters(t *testing.T) {
	t.Parallel()
	target := account(t)
	c := connect(t, target)
	const text = `DECLARE EXTERNAL @n int = 1; DECLARE EXTERNAL @yes bool = false; DECLARE EXTERNAL @x double = 0; DECLARE EXTERNAL @l long = 0; DECLARE EXTERNAL @day DateTime = DateTime.Parse("2000-01-01");
@r = SELECT @n + 1 AS n, !@yes AS no, @x / 2 AS x, @l AS l, @day.AddDays(1).ToString("yyyy-MM-dd") AS next, @free + "!" AS free FROM (VALUES (1)) AS v(i);
OUTPUT @r TO "/out.csv" USING Outputters.Csv();`
	j := scriptJob(text, map[string]any{
		"parameters": map[string]any{"@n": 41.0, "yes": true, "@x": 0.5, "@l": int64(7), "@day": "2026-02-28", "free": "a b"}, "degreeOfParallelism": int64(1), "priority": int64(5),
	})
	st, log := ended(t, c, begin(t, c, j))
	got := content(t, target.Options["store"].(string))["out.csv"]
	if want := "42,False,0.25,7,\"2026-03-01\",\"a b!\"\r\n"; st.State != driver.JobDone || got != want {
		t.Errorf("the job is %+v and wrote %q, want %q; its log:\n%s", st, got, want, log)
	}
	if !strings.Contains(log, "note: the option priority (5) changes nothing here") {
		t.Errorf("the log does not note the priority:\n%s", log)
	}
	wrong := scriptJob(text, map[string]any{"parameters": map[string]any{"@n": "many", "free": ""}})
	if st, _ := ended(t, c, begin(t, c, wrong)); st.Reason != "USQLInvalid" || !strings.Contains(st.Message, `"many" is no int`) {
		t.Errorf("with a parameter that does not fit the job is %+v", st)
	}
}

// TestStoreGoesAway: it was there when the target was looked at.
func TestStoreGoesAway(t *testing.T) {
	t.Parallel()
	target := account(t)
	c := connect(t, target)
	if err := os.RemoveAll(target.Options["store"].(string)); err != nil {
		t.Fatal(err)
	}
	h := begin(t, c, scriptJob(fmt.Sprintf(one, "b.csv"), nil))
	st, log := ended(t, c, h)
	if st.State != driver.JobFailed || st.Reason != "StoreMissing" || !strings.Contains(log, "zaffre compute update NAME --store FOLDER") {
		t.Errorf("the job is %+v, its log:\n%s", st, log)
	}
	list, err := c.ListOutputs(t.Context(), h)
	if err != nil || len(list) != 1 || list[0].Path != "logs/usql-fault.json" {
		t.Errorf("it left %v, %v", list, err)
	}
	if err := c.Release(t.Context(), h); err != nil {
		t.Error(err)
	}
}

// TestScratchFull fills a disk of a megabyte with rows.
func TestScratchFull(t *testing.T) {
	t.Parallel()
	disk := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=1m", "zaffre-test", disk).CombinedOutput(); err != nil {
		t.Skipf("no disk of a megabyte can be mounted here: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", disk).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	target := with(account(t), "scratch", disk)
	store := target.Options["store"].(string)
	write(t, filepath.Join(store, "a.csv"), strings.Repeat("1,some words that take room\n", 100_000))
	c := connect(t, target)
	text := `@t = EXTRACT n int, s string FROM "/a.csv" USING Extractors.Csv();` + "\n" + `OUTPUT @t TO "/b.csv" USING Outputters.Csv();`
	st, log := ended(t, c, begin(t, c, scriptJob(text, nil)))
	if st.State != driver.JobFailed || st.Reason != "ScratchFull" || !strings.Contains(log, "--scratch FOLDER") {
		t.Errorf("the job is %+v, its log:\n%s", st, log)
	}
	if left, err := filepath.Glob(filepath.Join(disk, "zaffre-*", "*")); err != nil || len(left) != 0 {
		t.Errorf("it left %v, %v", left, err)
	}
}

// TestMemory: a run's limit holds, be it DuckDB that says so or who watches the run.
func TestMemory(t *testing.T) {
	t.Parallel()
	target := account(t)
	write(t, filepath.Join(target.Options["store"].(string), "a.csv"), "1\n2\n")
	c := connect(t, target)
	text := `@t = EXTRACT n int FROM "/a.csv" USING Extractors.Csv();` + "\n" + `OUTPUT @t TO "/b.csv" USING Outputters.Csv();`
	for memory, reason := range map[int64]string{30e6: "OutOfMemory", 2e9: ""} {
		j := scriptJob(text, nil)
		j.Memory = memory
		if st, log := ended(t, c, begin(t, c, j)); st.Reason != reason {
			t.Errorf("with %d bytes the job is %+v, want %q; its log:\n%s", memory, st, reason, log)
		}
	}
}

// TestProgress: the log grows while the script runs.
func TestProgress(t *testing.T) {
	t.Parallel()
	target := account(t)
	store := target.Options["store"].(string)
	write(t, filepath.Join(store, "in", "a.csv"), "1\n2\n")
	c := connect(t, target)
	text := strings.Replace(slow(), "@t = ", `@i = EXTRACT n int FROM "/in/{*}.csv" USING Extractors.Csv();`+"\n"+`OUTPUT @i TO "/i.csv" USING Outputters.Csv();`+"\n@t = ", 1)
	h := begin(t, c, scriptJob(text, nil))
	staged(t, c, h, store)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, err := c.ReadLog(ctx, h, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	want := []string{"script.usql: 1 EXTRACT to read, 3 OUTPUTs to write, in " + store, "reading /in/a.csv", "read /in/a.csv: 2 rows, after ", "computing /i.csv", "computing /deep/first.csv", "computing /never.csv"}
	var log strings.Builder
	buf := make([]byte, 4096)
	for !strings.Contains(log.String(), want[len(want)-1]) {
		n, err := r.Read(buf)
		log.Write(buf[:n])
		if err != nil {
			t.Fatalf("%v after:\n%s", err, log.String())
		}
	}
	for _, w := range want {
		if !strings.Contains(log.String(), w) {
			t.Errorf("the log does not say %q:\n%s", w, log.String())
		}
	}
	if err := c.Cancel(t.Context(), h); err != nil {
		t.Error(err)
	}
	ended(t, c, h)
}

// TestEnvironment: runs need DuckDB, in the version that the options name, unless they name a Python that has it.
func TestEnvironment(t *testing.T) {
	t.Parallel()
	for want, options := range map[string]map[string]any{
		"duckdb==1.4.5": {"duckdb": ""}, "duckdb==2.0.1": {"duckdb": "2.0.1", "python": ""}, "": {"duckdb": "1.4.5", "python": "/usr/bin/python3"},
	} {
		got := ""
		if d := adla.Kind().Environment(options); d != nil {
			got = strings.Join(d.Pip, " ")
		}
		if got != want {
			t.Errorf("%v need %q, want %q", options, got, want)
		}
	}
}

// TestDocument: an account says which store it has.
func TestDocument(t *testing.T) {
	t.Parallel()
	got := adla.Kind().Document(driver.View{Options: map[string]any{"store": "/data/lake"}})
	if len(got) != 1 || got["dataLakeStoreAccountName"] != "/data/lake" {
		t.Errorf("%v", got)
	}
}
