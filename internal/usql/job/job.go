// Package job runs a compiled script as a process of its own: what targets of kind adla have their machine start.
package job

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/usql"
	"github.com/zaffre-ml/zaffre/internal/usql/engine"
)

// Verb is the first argument by which a binary that holds more is this program.
const Verb = "usql-job"

// The files of a job, from its folder on.
const (
	Program   = ".zaffre/usql"         // the program itself
	SpecFile  = ".zaffre/job.json"     // a Spec
	FaultFile = "logs/usql-fault.json" // an End, where the script failed
	scratch   = ".zaffre/scratch"
)

// Spec is what to run. The script was compiled where the program comes from, so that both are of one version.
type Spec struct {
	Script  string // its name, for what is said
	Plan    usql.Plan
	Store   string // folder
	Python  string
	Work    string // folder for the rows; "": one of the job's own
	Mark    string // see engine.Options
	Threads int
	Memory  int64    // bytes that DuckDB keeps; 0: its own choice
	Notes   []string // said first
}

// End says why a script failed.
type End struct {
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// Main runs the job whose folder is the working directory, and returns its exit code.
func Main([]string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	var s Spec
	raw, err := os.ReadFile(SpecFile)
	if err == nil {
		err = json.Unmarshal(raw, &s)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "usage: a zaffre server has machines run this, with the file %s: %v\n", SpecFile, err)
		return 2
	}
	t := &teller{out: os.Stdout, begin: time.Now()}
	if err = s.run(ctx, t); err == nil {
		return 0
	}
	if ctx.Err() != nil {
		t.say("stopped: no output was written but those named above")
		return 1
	}
	return s.fail(t, err)
}

// run runs the script.
func (s Spec) run(ctx context.Context, t *teller) error {
	for _, n := range s.Notes {
		t.say("note: %s", n)
	}
	if s.Threads > 0 {
		runtime.GOMAXPROCS(s.Threads)
	}
	root, err := os.OpenRoot(s.Store)
	if err != nil {
		return storeGone(s.Store, err)
	}
	defer root.Close()
	work, err := filepath.Abs(cmp.Or(s.Work, scratch)) // DuckDB has another working directory
	if err != nil {
		return err
	}
	t.say("%s: %s to read, %s to write, in %s", s.Script, count(len(s.Plan.Inputs), "EXTRACT"), count(len(s.Plan.Outputs), "OUTPUT"), s.Store)
	r, err := engine.Run(ctx, s.Plan, engine.Options{
		Store: root, Work: work, Python: s.Python, Mark: s.Mark, Threads: s.Threads, Memory: s.Memory, Tell: t.step,
	})
	_ = os.Remove(work)
	if err == nil {
		t.say("done: %s read, %d written, in %s", count(len(r.Inputs), "file"), len(r.Outputs), t.took())
	}
	return err
}

// fail says why the script failed, to people and to the server.
func (s Spec) fail(t *teller, err error) int {
	f := advised(fault.From(err))
	for _, line := range Lines(s.Script, f) {
		t.say("%s", line)
	}
	raw, err := json.Marshal(End{f.Reason, Title(s.Script, f)})
	if err == nil {
		err = errors.Join(os.MkdirAll(filepath.Dir(FaultFile), 0o755), os.WriteFile(FaultFile, raw, 0o644))
	}
	if err != nil {
		t.say("the reason cannot be kept: %v", err)
	}
	return 1
}

// ReadEnd reads what stands in FaultFile.
func ReadEnd(r io.Reader) (End, error) {
	var e End
	err := json.NewDecoder(io.LimitReader(r, 64<<10)).Decode(&e)
	return e, err
}

func storeGone(store string, err error) error {
	return &fault.Error{
		Code: fault.NotFound, Reason: "StoreMissing", What: "the store " + store + " cannot be opened", Why: "the folder is not there, or may not be entered",
		Fix: "make it, or name another; run: zaffre compute update NAME --store FOLDER", Evidence: []string{err.Error()}, Err: err,
	}
}

// advised says what to do in the words of a target, where the engine has those of its command.
func advised(f *fault.Error) *fault.Error {
	fix := map[string]string{
		"ScratchFull":       "make room there, or name a folder on a larger disk; run: zaffre compute update NAME --scratch FOLDER",
		"ScratchUnwritable": "see who may write there, or name another folder; run: zaffre compute update NAME --scratch FOLDER",
		"DuckDBMissing":     "name an interpreter that has it, or none, so that one is made; run: zaffre compute update NAME --python ''",
		"DuckDBTooOld":      "name an interpreter with a newer one, or none, so that one is made; run: zaffre compute update NAME --python ''",
		"PythonMissing":     "name an interpreter that is there, or none, so that one is made; run: zaffre compute update NAME --python ''",
	}[f.Reason]
	if fix == "" {
		return f
	}
	own := *f
	own.Fix = fix
	return &own
}
