package drivertest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/driver"
)

// oddWords are words that a shell, a table or a JSON string may spoil.
var oddWords = []string{
	"plain", "two words", "", "'", `"`, `\`, "$HOME", "`id`", "$(id)", "a\nb", "tab\there", "*", "~", "-n", "--", "日本語", "é", "a;b", "#", "%s", "&&",
}

func testArguments(e *env) {
	argv := e.script("args", oddWords...)
	h := e.start(e.job(argv))
	e.end(h)
	e.wantLog(h, strings.Join(oddWords, "\n")+"\n")
}

func testVariables(e *env) {
	for i, w := range few(e.Harness, oddWords, []string{`"'`, "$(id)", "a\nb", "日本語"}) {
		e.Run(fmt.Sprint(i), func(t *testing.T) {
			e := &env{T: t, Harness: e.Harness, ctx: e.ctx, conn: e.conn}
			j := e.job(e.script("env", "ODD"))
			j.Env = map[string]string{"ODD": w}
			h := e.start(j)
			e.end(h)
			e.wantLog(h, w)
		})
	}
}

// files is a driver.Files in memory, which counts what is asked of it.
type files struct {
	list    []driver.File
	content map[string]string

	mu     sync.Mutex
	opened int
}

func (f *files) add(path string, mode uint32, text string) {
	h := sha256.Sum256([]byte(text))
	hash := hex.EncodeToString(h[:])
	if f.content == nil {
		f.content = map[string]string{}
	}
	f.content[hash] = text
	f.list = append(f.list, driver.File{Path: path, Mode: mode, Size: int64(len(text)), Hash: hash})
	slices.SortFunc(f.list, func(a, b driver.File) int { return strings.Compare(a.Path, b.Path) })
}

func (f *files) Manifest(context.Context) ([]driver.File, error) { return f.list, nil }

func (f *files) OpenHash(_ context.Context, hash string) (io.ReadCloser, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.opened++
	return io.NopCloser(strings.NewReader(f.content[hash])), nil
}

func oddFiles() *files {
	f := &files{}
	f.add("plain.txt", 0o644, "text")
	f.add("run me.sh", 0o755, "script")
	f.add("empty", 0o644, "")
	f.add("it's \"quoted\" $x.txt", 0o644, "quoted")
	f.add("日本/é.txt", 0o644, "names")
	f.add("deep/er/and/deeper/file", 0o600, "deep")
	f.add("link", driver.ModeLink|0o777, "plain.txt")
	return f
}

func testCode(e *env) {
	f := oddFiles()
	j := e.job(e.script("list"))
	j.Files = f
	h := e.start(j)
	if st := e.end(h); st.State != driver.JobDone {
		e.Fatalf("the job is %+v, want it done", st)
	}
	log, err := e.logOf(h)
	if err != nil {
		e.Fatal(err)
	}
	var want []string
	for _, file := range f.list {
		kind := "file"
		switch {
		case file.Mode&driver.ModeLink == driver.ModeLink:
			kind = "link"
		case file.Mode&0o100 != 0:
			kind = "exec"
		}
		want = append(want, kind+" "+file.Path+" "+f.content[file.Hash])
	}
	got := strings.Split(strings.TrimSpace(log), "\n")
	slices.Sort(got)
	slices.Sort(want)
	if d := cmp.Diff(want, got); d != "" {
		e.Errorf("the job's folder (-want +got):\n%s", d)
	}
	inDir := e.job(e.script("list"))
	inDir.Files, inDir.Dir = f, "deep/er"
	h = e.start(inDir)
	e.end(h)
	e.wantLog(h, "file and/deeper/file deep\n")
}

// testCodeSentOnce: what a target has is not sent to it again.
func testCodeSentOnce(e *env) {
	if e.Code != nil {
		e.Skip("the target's commands are code themselves")
	}
	f := oddFiles()
	wants := []int{len(f.content), len(f.content), len(f.content) + 1}
	if e.Apart {
		wants = []int{len(f.content), 2 * len(f.content), 3*len(f.content) + 1}
	}
	for i, want := range wants {
		j := e.job(e.script("exit", "0"))
		j.Files = f
		if i == 2 {
			f.add("new.txt", 0o644, "new")
		}
		e.end(e.start(j))
		if f.opened > want {
			e.Errorf("after start %d, %d files were sent, want at most %d", i+1, f.opened, want)
		}
		e.crash()
	}
}

func testOutputs(e *env) {
	outputs := as[driver.Outputs](e, e.conn)
	big := strings.Repeat("0123456789abcdef", 6000)
	h := e.start(e.job(e.script("write", "outputs/dir é/it's \"q\".bin", big)))
	if st := e.end(h); st.State != driver.JobDone {
		log, _ := e.logOf(h)
		e.Fatalf("the job is %+v, want it done; its log: %s", st, log)
	}
	list, err := outputs.ListOutputs(e.ctx, h)
	if err != nil || len(list) != 1 || list[0].Path != "outputs/dir é/it's \"q\".bin" || list[0].Size != int64(len(big)) {
		e.Fatalf("ListOutputs = %+v, %v", list, err)
	}
	for _, offset := range []int{0, 1, 65536, len(big)} {
		got, err := readAll(outputs.OpenOutput(e.ctx, h, list[0].Path, int64(offset)))
		if err != nil || got != big[offset:] {
			e.Errorf("from offset %d the output has %d bytes, %v, want %d", offset, len(got), err, len(big)-offset)
		}
	}
	e.crash()
	got, err := readAll(as[driver.Outputs](e, e.conn).OpenOutput(e.ctx, h, list[0].Path, 0))
	if err != nil || !bytes.Equal([]byte(got), []byte(big)) {
		e.Errorf("after a crash the output has %d bytes, %v", len(got), err)
	}
}

func testOutputsOfFailed(e *env) {
	h := e.start(e.job(e.script("write-and-fail", "logs/why.txt", "because")))
	if st := e.end(h); st.State != driver.JobFailed {
		e.Fatalf("the job is %+v, want it failed", st)
	}
	list, err := as[driver.Outputs](e, e.conn).ListOutputs(e.ctx, h)
	if err != nil || len(list) != 1 || list[0].Path != "logs/why.txt" {
		e.Errorf("ListOutputs = %+v, %v, want logs/why.txt", list, err)
	}
}

func testOutputUnknown(e *env) {
	h := e.start(e.job(e.script("exit", "0")))
	e.end(h)
	outputs := as[driver.Outputs](e, e.conn)
	if list, err := outputs.ListOutputs(e.ctx, h); err != nil || len(list) != 0 {
		e.Errorf("ListOutputs = %+v, %v, want none", list, err)
	}
	for _, name := range []string{"outputs/none", "outputs/../../spec.json", "../spec.json", "/etc/passwd", "outputs"} {
		if text, err := readAll(outputs.OpenOutput(e.ctx, h, name, 0)); err == nil && text != "" {
			e.Errorf("output %q holds %q, want an error", name, text)
		}
	}
}
