package agent

import (
	"cmp"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
)

// What a task says of itself, behind its index.
const (
	beganEvent = ".began" // holds a beginning
	endedEvent = ".ended" // holds a wire.Status, as its exit.json
)

// beginning is where and when a task began.
type beginning struct {
	Node string    `json:"node"`
	Time time.Time `json:"time"`
}

// noteBegin says that a task began. Where that cannot be written, it is known by its end.
func (s *supervisor) noteBegin() {
	host, _ := os.Hostname()
	_ = s.note(beganEvent, beginning{Node: cmp.Or(os.Getenv("SLURMD_NODENAME"), host), Time: s.proc.Started})
}

// noteEnd says how a task ended.
func (s *supervisor) noteEnd(st wire.Status) error { return s.note(endedEvent, st) }

// note says something of a task; a job that is none has nobody to tell.
func (s *supervisor) note(event string, v any) error {
	job := jobOf(s.dir)
	if job == s.dir {
		return nil
	}
	return writeJSON(filepath.Join(job, eventsDir, filepath.Base(s.dir)+event), v)
}

// isUnclear reports whether only the scheduler knows why a task ended so: it sends these signals itself.
func isUnclear(st wire.Status) bool {
	return st.Reason == "Signaled" && (st.Signal == int(syscall.SIGTERM) || st.Signal == int(syscall.SIGKILL))
}

// heard returns what tasks said that was not taken yet.
func (a *array) heard() (list []entry, err error) {
	names, err := namesIn(filepath.Join(a.dir, eventsDir))
	if err != nil {
		return nil, err
	}
	began, ended := map[int]bool{}, map[int]bool{}
	for _, name := range names {
		word, event, _ := strings.Cut(name, ".")
		if i, err := strconv.Atoi(word); err == nil && a.has(i) && !a.isOver(i) {
			switch "." + event {
			case beganEvent:
				began[i] = true
			case endedEvent:
				ended[i] = true
				began[i] = true // it may have come after the list
			}
		}
	}
	for i := range began {
		if e, ok := a.hearBegin(i); ok {
			list = append(list, e)
		}
	}
	for i := range ended {
		if e, ok := a.hearEnd(i); ok {
			list = append(list, e)
		}
	}
	return list, nil
}

// isOver reports whether nothing more is to be heard of a task.
func (a *array) isOver(index int) bool {
	_, over := a.ended[index]
	_, dark := a.unclear[index]
	return over || dark
}

func (a *array) hearBegin(index int) (e entry, ok bool) {
	if _, known := a.began[index]; known {
		return e, false
	}
	var b beginning
	ok, _ = readJSON(a.event(index, beganEvent), &b)
	return beginEntry(index, b), ok
}

// hearEnd reads how a task ended. One that is not clear is kept until it is settled.
func (a *array) hearEnd(index int) (e entry, ok bool) {
	var st wire.Status
	if ok, _ = readJSON(a.event(index, endedEvent), &st); !ok {
		return e, false
	}
	if isUnclear(st) {
		a.unclear[index] = st
		return e, false
	}
	return a.endEntry(index, st), true
}

func (a *array) event(index int, event string) string {
	return filepath.Join(a.dir, eventsDir, strconv.Itoa(index)+event)
}
