package agent

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// What a job's process wrote to the server while that was away is a part of what the job leaves, as its log and its
// outputs are: after the job has ended the agent sends it, and the job's folder stays until it has.
const (
	notedFile  = "noted"          // the size of a log that grew after the job's end
	restWithin = 10 * time.Second // that a release waits for the rest
	notedFor   = 30 * time.Second // that it waits for somebody to read the log's end
	sendAtOnce = 16               // folders: an array may leave one for each task
)

// placesOf returns the folders of a job that may have a spool and do: its own, and those of its tasks.
func placesOf(dir string) (places []string) {
	found, _ := filepath.Glob(filepath.Join(dir, tasksDir, "*", spoolDir))
	for _, name := range append([]string{filepath.Join(dir, spoolDir)}, found...) {
		if exists(name) {
			places = append(places, filepath.Dir(name))
		}
	}
	return places
}

// sendRest begins to send what a job that has ended left in one of its folders, unless somebody does. It returns a
// channel that closes when there is no more to do for this process.
func (s *server) sendRest(dir, place string) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if done := s.sending[place]; done != nil {
		return done
	}
	done := make(chan struct{})
	s.sending[place] = done
	go func() {
		s.senders <- struct{}{}
		defer func() { <-s.senders }()
		if err := s.send(dir, place); err != nil {
			fmt.Fprintln(s.log, "send the rest of", filepath.Base(dir), err)
		}
		s.mu.Lock()
		delete(s.sending, place)
		s.mu.Unlock()
		close(done)
	}()
	return done
}

func (s *server) send(dir, place string) error {
	var sp spec
	var id relayIdentity
	if ok, err := readJSON(filepath.Join(dir, specFile), &sp); err != nil || !ok {
		return err
	}
	if _, err := readJSON(filepath.Join(place, relayFile), &id); err != nil {
		return err
	}
	kept, err := openSpool(place, spoolLimit)
	if err != nil {
		return err
	}
	defer kept.close()
	say := noteIn(place)
	note := func(text string) error {
		if err := say(text); err != nil {
			return err
		}
		fi, err := os.Stat(filepath.Join(dir, logFile))
		if err != nil || place != dir {
			return err
		}
		return writeJSON(filepath.Join(dir, notedFile), fi.Size())
	}
	host := "127.0.0.1:" + strconv.Itoa(id.Port)
	return (&replay{kept, newSender(s.root, host, sp.Job), note}).run(context.Background(), true)
}

// sendRests begins with all that the agents before us left.
func (s *server) sendRests() {
	for _, dir := range s.folders(jobsDir) {
		if exists(filepath.Join(dir, exitFile)) {
			s.sendRestsOf(dir)
		}
	}
}

func (s *server) sendRestsOf(dir string) (all []<-chan struct{}) {
	for _, place := range placesOf(dir) {
		all = append(all, s.sendRest(dir, place))
	}
	return all
}

// settled fails while the server lacks something that the job wrote or that was said of it.
func (s *server) settled(dir string) error {
	late := time.NewTimer(restWithin)
	defer late.Stop()
	for _, done := range s.sendRestsOf(dir) {
		select {
		case <-done:
		case <-late.C:
			late.Reset(0) // nor for the others
		}
	}
	if len(placesOf(dir)) == 0 && !s.unread(dir) {
		return nil
	}
	return &fault.Error{
		Code: fault.Unavailable, Reason: "WritesWaiting", What: "the job cannot be released yet",
		Why: "what it logged while the server was away is still on its way", Fix: "nothing: it is tried again", RetryAfter: time.Second,
	}
}

// sent is settled for who takes the job's folder away by other means than release.
func (s *server) sent(ref wire.JobRef) (out wire.Empty, err error) {
	dir, err := s.jobDir(ref.Job)
	if err != nil {
		return out, err
	}
	return out, s.settled(dir)
}

// unread reports whether a note at the log's end waits for its reader. A job that was lost has no reader, and not every
// kind reads the log here.
func (s *server) unread(dir string) bool {
	fi, err := os.Stat(filepath.Join(dir, notedFile))
	return err == nil && exists(filepath.Join(dir, exitFile)) && time.Since(fi.ModTime()) < notedFor
}

// wasRead takes the mark of a note away that was read.
func wasRead(dir string, offset int64) {
	var size int64
	name := filepath.Join(dir, notedFile)
	if ok, err := readJSON(name, &size); err == nil && ok && size <= offset {
		_ = os.Remove(name) // else it is looked at for a while only
	}
}
