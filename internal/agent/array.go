package agent

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
)

// glanceEvery is how often an array is looked at for who reads its log.
const glanceEvery = time.Second

// array is a job of many tasks, as the agent knows it. A task has the folder of a job that runs elsewhere, and says
// when it begins and ends by a file in eventsDir, which is read once: so a look costs one list of names, whatever
// the number of tasks. What was taken stands in the journal, and nowhere else: any other agent goes on from there.
type array struct {
	dir     string
	indexes wire.Indexes

	mu      sync.Mutex // with the lock file, which is for other agents
	read    int64      // bytes of the journal
	logged  int64      // bytes of the log that they stand for
	began   map[int]time.Time
	ended   map[int]wire.Status
	unclear map[int]wire.Status // how it ended, of which the scheduler may know better: not taken yet
	over    []int               // those that ended, and may have left something to be sent
	looked  time.Time
}

// layElsewhere writes down that a job runs elsewhere, and lets it have tasks where it is to.
func layElsewhere(dir string, j wire.Job) error {
	if _, err := wire.ParseIndexes(j.Array); err != nil {
		return invalid("of the tasks of the job " + err.Error())
	}
	if j.Array != "" {
		for _, d := range []string{tasksDir, eventsDir} {
			if err := os.Mkdir(filepath.Join(dir, d), 0o700); err != nil && !os.IsExist(err) {
				return diskFault("start the job", err)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(dir, elsewhereFile), nil, 0o600); err != nil {
		return diskFault("start the job", err)
	}
	return nil
}

// arrayOf returns the array that a job is; nil: it is none, or was not laid down whole.
func (s *server) arrayOf(dir string) (*array, error) {
	s.mu.Lock()
	a := s.arrays[dir]
	s.mu.Unlock()
	if a != nil || !exists(filepath.Join(dir, tasksDir)) {
		return a, nil
	}
	var sp spec
	if ok, err := readJSON(filepath.Join(dir, specFile), &sp); err != nil || !ok {
		return nil, pollFault(err)
	}
	list, err := wire.ParseIndexes(sp.Job.Array)
	if err != nil {
		return nil, invalid("of the tasks of the job " + err.Error())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.arrays[dir] == nil {
		s.arrays[dir] = &array{dir: dir, indexes: list, began: map[int]time.Time{}, ended: map[int]wire.Status{}, unclear: map[int]wire.Status{}}
	}
	return s.arrays[dir], nil
}

func (s *server) forgetArray(dir string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.arrays, dir)
}

// readArray looks at an array, and says how it stands.
func (s *server) readArray(a *array, err error) (st wire.Status, _ error) {
	if err != nil {
		return st, err
	}
	news, err := a.look(nil)
	if err != nil {
		return st, err
	}
	if news {
		s.hub.publish(filepath.Base(a.dir))
	}
	for _, place := range a.closed() {
		s.sendRest(a.dir, place)
	}
	if ok, err := readJSON(filepath.Join(a.dir, exitFile), &st); ok || err != nil {
		return st, pollFault(err)
	}
	return a.status(), nil
}

// glance looks at an array for who reads its log, if nobody did for a while.
func (s *server) glance(dir string) {
	a, _ := s.arrayOf(dir)
	if a == nil || exists(filepath.Join(dir, exitFile)) {
		return
	}
	a.mu.Lock()
	stale := time.Since(a.looked) > glanceEvery
	a.mu.Unlock()
	if stale {
		_, _ = a.look(nil) // what fails is tried again
	}
}

// look takes what the tasks said since the last look, and the ends that are settled now, and reports whether there was any.
// The job ends with the last task.
func (a *array) look(settled []entry) (news bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.looked = time.Now()
	lock, err := os.OpenFile(filepath.Join(a.dir, arrayLock), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return false, diskFault("read the tasks of the job", err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return false, diskFault("read the tasks of the job", err)
	}
	before := a.read
	if err := a.take(settled); err != nil {
		return false, diskFault("read the tasks of the job", err)
	}
	return a.read > before, nil
}

// closed returns the folders of tasks that keep nothing more and have something to be sent, each once. A task says that
// it ended a moment before that.
func (a *array) closed() (places []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.over = slices.DeleteFunc(a.over, func(i int) bool {
		dir := a.taskDir(i)
		if !exists(filepath.Join(dir, exitFile)) {
			return false
		}
		if exists(filepath.Join(dir, spoolDir)) {
			places = append(places, dir)
		}
		return true
	})
	return places
}

// take is look with the lock held.
func (a *array) take(settled []entry) error {
	if err := a.catchUp(); err != nil {
		return err
	}
	list, err := a.heard()
	if err != nil {
		return err
	}
	if err := a.write(append(list, settled...)); err != nil {
		return err
	}
	name := filepath.Join(a.dir, exitFile)
	if len(a.ended) < len(a.indexes) || exists(name) {
		return nil
	}
	return writeJSON(name, a.verdict())
}

// status says how the job stands while there are tasks that have not ended.
func (a *array) status() wire.Status {
	a.mu.Lock()
	defer a.mu.Unlock()
	st := wire.Status{State: wire.JobPending, Asked: a.asked(), Claimed: exists(filepath.Join(a.dir, claimDir))}
	var waiting, running, unclear wire.Indexes
	for _, i := range a.indexes {
		_, over := a.ended[i]
		_, dark := a.unclear[i]
		_, begun := a.began[i]
		switch {
		case over:
		case dark:
			unclear = append(unclear, i)
		case begun:
			running = append(running, i)
		default:
			waiting = append(waiting, i)
		}
	}
	if st.Started = a.started(); !st.Started.IsZero() {
		st.State = wire.JobRunning
	}
	st.Array = &wire.Array{Tasks: len(a.indexes), Waiting: waiting.String(), Running: running.String(), Unclear: unclear.String()}
	return st
}

func (a *array) asked() bool { return exists(filepath.Join(a.dir, cancelFile)) }

// started is when the first task began; zero: none did.
func (a *array) started() (first time.Time) {
	for _, t := range a.began {
		if first.IsZero() || t.Before(first) {
			first = t
		}
	}
	return first
}

// has reports whether the job has a task of that index.
func (a *array) has(index int) bool {
	_, found := slices.BinarySearch(a.indexes, index)
	return found
}

// taskFolders returns the folders of the tasks that were begun.
func taskFolders(dir string) (list []string) {
	names, _ := namesIn(filepath.Join(dir, tasksDir))
	for _, name := range names {
		if _, err := strconv.Atoi(name); err == nil {
			list = append(list, filepath.Join(dir, tasksDir, name))
		}
	}
	return list
}

// namesIn lists a folder; one that is not there is empty.
func namesIn(dir string) ([]string, error) {
	f, err := os.Open(dir)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}

// taskDir is the folder of a task.
func (a *array) taskDir(index int) string {
	return filepath.Join(a.dir, tasksDir, strconv.Itoa(index))
}
