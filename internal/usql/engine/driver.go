package engine

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

//go:embed driver.py
var program string

// driver is a Python process with DuckDB in it.
type driver struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	stderr bytes.Buffer
}

type answer struct {
	Rows    [][]any
	Error   string
	Class   string
	Missing string
	Version string
}

// start starts Python in a folder of its own, so that it imports nothing of the user's by chance.
func start(ctx context.Context, python, folder string) (*driver, error) {
	d := &driver{cmd: exec.CommandContext(ctx, python, "-c", program)}
	d.cmd.Dir, d.cmd.Stderr = folder, &d.stderr
	d.cmd.WaitDelay = 5 * time.Second
	in, err := d.cmd.StdinPipe()
	if err != nil {
		return nil, noPython(python, err)
	}
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		return nil, noPython(python, err)
	}
	if err := d.cmd.Start(); err != nil {
		return nil, noPython(python, err)
	}
	d.in, d.out = in, bufio.NewReader(out)
	return d, nil
}

// ready waits for the first answer, and says how to get DuckDB where it is missing.
func (d *driver) ready() error {
	a, err := d.answer()
	if err != nil {
		return err
	}
	if a.Missing != "" {
		return &fault.Error{
			Code: fault.NotFound, Reason: "DuckDBMissing", What: "cannot run the script's queries", Why: d.cmd.Path + " has no package duckdb: " + a.Missing,
			Fix: "run: python3 -m venv duck && duck/bin/pip install duckdb, and name duck/bin/python with --python",
		}
	}
	if old(a.Version) {
		return &fault.Error{
			Code: fault.Precondition, Reason: "DuckDBTooOld", What: "cannot run the script's queries", Why: d.cmd.Path + " has DuckDB " + a.Version + ", and 1.4 is the first that works",
			Fix: "run: " + d.cmd.Path + " -m pip install --upgrade duckdb",
		}
	}
	return nil
}

// old reports whether a version is before 1.4, the first that all tests pass with.
func old(version string) bool {
	major, minor := 0, 0
	_, _ = fmt.Sscanf(version, "%d.%d", &major, &minor)
	return major < 1 || major == 1 && minor < 4
}

func noPython(python string, err error) error {
	return &fault.Error{
		Code: fault.NotFound, Reason: "PythonMissing", What: "cannot run the script's queries", Why: python + " does not start: " + err.Error(),
		Fix: "install Python 3 and its package duckdb, or name an interpreter that has it with --python",
	}
}

// run runs one statement.
func (d *driver) run(sql string) ([][]any, error) {
	line, err := json.Marshal(sql)
	if err != nil {
		return nil, err
	}
	if _, err := d.in.Write(append(line, '\n')); err != nil {
		return nil, d.died(err)
	}
	a, err := d.answer()
	if err != nil {
		return nil, err
	}
	if a.Error != "" {
		return nil, queryFault(a.Error)
	}
	return a.Rows, nil
}

func (d *driver) answer() (a answer, err error) {
	line, err := d.out.ReadBytes('\n')
	if err != nil {
		return a, d.died(err)
	}
	if err := json.Unmarshal(line, &a); err != nil {
		return a, d.died(err)
	}
	return a, nil
}

// stop ends Python and waits for it.
func (d *driver) stop() {
	_ = d.in.Close()
	_ = d.cmd.Wait()
}

func (d *driver) died(err error) error {
	_ = d.in.Close()
	werr := d.cmd.Wait()
	f := &fault.Error{
		Code: fault.Precondition, Reason: "DuckDBStopped", What: "cannot run the script's queries", Why: "Python with DuckDB ended before it answered",
		Fix: "look at its words; where memory was short, read fewer files at once", Err: errors.Join(err, werr),
	}
	if words := strings.TrimSpace(d.stderr.String()); words != "" {
		f.Evidence = []string{words[max(0, len(words)-2000):]}
	}
	return f
}

var raised = regexp.MustCompile(`usql:(\d+):(\d+):([^\n]*)`)

// queryFault says what went wrong in a query, and where, if the script's own place is known.
func queryFault(words string) error {
	if m := raised.FindStringSubmatch(words); m != nil {
		return &fault.Error{
			Code: fault.Invalid, Reason: "ExpressionFailed", What: "the script failed while it ran", Why: m[3],
			Fix: "look at the expression at that place, and at the rows that reach it", Field: "line " + m[1] + ", column " + m[2],
		}
	}
	first, _, _ := strings.Cut(words, "\n")
	if strings.Contains(words, "No space left on device") {
		return scratchFull(errors.New(first))
	}
	if strings.HasPrefix(first, "Out of Memory Error") {
		return &fault.Error{
			Code: fault.Precondition, Reason: "OutOfMemory", What: "the script failed while it ran", Why: "DuckDB has too little memory for a query of it",
			Fix: "give it more: a script needs about half a gigabyte at least; or read fewer files at once", Evidence: []string{first},
		}
	}
	return &fault.Error{
		Code: fault.Invalid, Reason: "QueryFailed", What: "the script failed while it ran", Why: "DuckDB could not compute a query of it",
		Fix: "look at its words: a number may be too large for its type", Evidence: []string{first},
	}
}
