package agent

import (
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
)

// clean ends every job and build of the root and removes all that the agent made, and nothing else.
func (s *server) clean(q wire.Clean) ([]wire.Item, error) {
	items := []wire.Item{}
	if !q.DryRun {
		for kind, sub := range map[string]string{"job": jobsDir, "build": buildsDir} {
			for _, dir := range s.folders(sub) {
				s.end(kind, dir) // so that nothing is made in Docker any more
			}
		}
	}
	items = append(items, s.cleanDocker(q.DryRun)...)
	for _, k := range []struct{ kind, sub string }{
		{"job", jobsDir}, {"build", buildsDir}, {"environment", "envs"}, {"trash", trashDir},
	} {
		for _, dir := range s.folders(k.sub) {
			it := wire.Item{Type: k.kind, Name: filepath.Base(dir), Bytes: sizeOf(dir)}
			if k.kind == "job" {
				s.describeHeld(dir, &it)
			}
			if !q.DryRun {
				s.end(k.kind, dir)
				it.Removed = removeAll(dir) == nil
			}
			if filepath.Ext(it.Name) != ".lock" {
				items = append(items, it)
			}
		}
	}
	for _, sub := range []string{filesDir, runsDir, "tools", "pythons", "uv-cache", "home", relayDir, hookDir, "interpreters.json", doorFile, doorMarker} {
		dir := filepath.Join(s.root, sub)
		if !exists(dir) {
			continue
		}
		it := wire.Item{Type: "folder", Name: sub, Bytes: sizeOf(dir)}
		if !q.DryRun {
			it.Removed = removeAll(dir) == nil
			if sub == filesDir || sub == runsDir {
				_ = os.MkdirAll(dir, 0o700)
			}
		}
		items = append(items, it)
	}
	return items, nil
}

// describeHeld says of a job that goes on what it was given, and how it is ended by hand.
func (s *server) describeHeld(dir string, it *wire.Item) {
	st, err := s.read(dir)
	if err != nil || st.State != wire.JobPending && st.State != wire.JobRunning {
		return
	}
	var sp spec
	_, _ = readJSON(filepath.Join(dir, specFile), &sp)
	it.End = "touch '" + strings.ReplaceAll(filepath.Join(dir, cancelFile), "'", `'\''`) + "'"
	it.GPUs, it.Memory = sp.Job.GPUs, sp.Job.Memory
}

// end ends a job or a build now: its supervisor first, so that it cannot start anything.
func (s *server) end(kind, dir string) {
	switch kind {
	case "job":
		_ = os.Remove(filepath.Join(dir, specFile)) // no supervisor is made again
		s.forgetArray(dir)
	case "build":
		_ = os.Remove(filepath.Join(dir, buildFile))
	}
	for _, st := range supervisorsOf(dir) {
		for _, m := range members(st.pid, st.pid) {
			_ = syscall.Kill(m.pid, syscall.SIGKILL)
		}
		_ = syscall.Kill(st.pid, syscall.SIGKILL)
	}
	for _, d := range append(taskFolders(dir), dir) {
		endProcess(d)
	}
}

// endProcess ends the process that stands in a folder.
func endProcess(dir string) {
	var p process
	if ok, _ := readJSON(filepath.Join(dir, procFile), &p); ok && p.alive() {
		for range 40 {
			if signalAll(p.PID, 0, syscall.SIGKILL) == 0 {
				break
			}
			time.Sleep(killEvery / 2)
		}
	}
}

// supervisorsOf returns the processes that watch over dir, or over a task in it.
func supervisorsOf(dir string) (found []stat) {
	for _, st := range allStats() {
		b, err := os.ReadFile("/proc/" + strconv.Itoa(st.pid) + "/cmdline")
		words := strings.Split(strings.TrimRight(string(b), "\x00"), "\x00")
		if err == nil && len(words) == 4 && words[1] == Verb && jobOf(words[3]) == dir {
			found = append(found, st)
		}
	}
	return found
}

func sizeOf(dir string) (n int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if fi, err := d.Info(); err == nil {
				n += fi.Size()
			}
		}
		return nil
	})
	return n
}
