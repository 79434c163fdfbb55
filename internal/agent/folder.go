package agent

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// The files of a job's folder. Nothing is fsynced: what a power failure may tear belongs to
// another boot, and a job of another boot is lost by definition, whatever its files say. The death
// of a process tears nothing, since each file appears whole, by rename.
const (
	specFile   = "spec.json"   // the job, and the boot in which it was started
	lockFile   = "lock"        // flock, held by the supervisor for life; holds its pid
	procFile   = "proc.json"   // the process, on disk before it may exec; ends in a newline once it may have
	logFile    = "log"         // what the process wrote
	exitFile   = "exit.json"   // how it ended; written once
	cancelFile = "cancel"      // its presence asks for the end
	reapFile   = "reaped.json" // how it ended, seen by the agent after its supervisor was killed
	oweFile    = "owed.json"   // pid of the agent that will write that
	codeDir    = "code"

	// Of a job that runs elsewhere.
	elsewhereFile = "elsewhere" // its presence says so
	claimDir      = "claim"     // made by the first copy that was started: others do nothing
	beatFile      = "beat"      // written again and again by its supervisor
	nowFile       = "now"       // written by the agent, to tell the time of the file system

	// Of a job that has tasks.
	tasksDir    = "tasks"      // a folder for each, by its index, which it makes itself: as a job that runs elsewhere has one
	eventsDir   = "events"     // what they say: INDEX.began and INDEX.ended, each written once
	journalFile = "journal"    // what the agent took of that, in an order that stays; the log is made from it
	arrayLock   = "array.lock" // flock, held while that is written
)

// The folders below the agent's root.
const (
	jobsDir   = "jobs"
	runsDir   = "runs"
	filesDir  = "files"
	buildsDir = "builds" // what envbuild makes stands in envs, tools, pythons and uv-cache
	wakeDir   = "wake"
	trashDir  = "trash"
	agentLog  = "agent.log"

	leavingFile = "leaving" // its presence says that somebody ends the machine, such as a pod: what fails from then on is lost
)

// spec is what spec.json holds.
type spec struct {
	Job    jobSpec   `json:"job"`
	BootID string    `json:"boot_id"`
	Python string    `json:"python,omitzero"` // the machine's own interpreter, where the job has no other
	Time   time.Time `json:"time"`
}

// writeJSON makes the file appear whole, or not at all. Only one process at a time writes a file.
func writeJSON(name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	tmp := name + ".tmp"
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, name)
}

// readJSON reports whether the file is there and whole.
func readJSON(name string, v any) (bool, error) {
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return json.Unmarshal(b, v) == nil, nil
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

// rootOf returns the agent's root of a folder in jobs or envs, or of a task.
func rootOf(dir string) string { return filepath.Dir(filepath.Dir(jobOf(dir))) }

// jobOf returns the folder of the job whose folder, or whose task's folder, dir is.
func jobOf(dir string) string {
	if up := filepath.Dir(dir); filepath.Base(up) == tasksDir {
		return filepath.Dir(up)
	}
	return dir
}

// removeAll removes a tree even where a job took away its own permissions.
func removeAll(dir string) error {
	err := os.RemoveAll(dir)
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	_ = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() {
			_ = os.Chmod(name, 0o700)
		}
		return nil
	})
	return os.RemoveAll(dir)
}

// validName reports whether s can be the name of a folder of a job, a run or a build.
func validName(s string) bool {
	return s != "" && len(s) <= 64 && !strings.HasPrefix(s, "-") &&
		strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}
