// Package pysession holds interactive Python sessions on a machine that has an agent: a session is a job of the agent
// whose program is ours, so that it outlives the server; what is asked of it and what it answers are files there.
package pysession

import (
	"bytes"
	"context"
	"encoding/json"
	"regexp"
	"strconv"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/hostagent"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
)

// OptIdle is the path of the option that says how long a session waits.
const OptIdle = "idleTimeout"

const (
	idleDefault = 30 * time.Minute
	// grace is what a session that is stopped has to end its application.
	grace = 5 * time.Second
)

// Option is the option of a session that Sessions reads itself.
func Option() driver.Option {
	return driver.Option{Path: OptIdle, Type: driver.Duration, Help: "of interactive sessions: how long one waits for its next statement before it ends; 30m by default"}
}

// Sessions are those of one target. Its methods may be called from several goroutines.
type Sessions struct {
	Place hostagent.Place
	Jobs  driver.Runner // the agent's
	// Prepare makes a job that runs a Python program with Spark of one that names only its command and options.
	Prepare func(ctx context.Context, job driver.Job) (driver.Job, error)
}

// record is what is kept of a session. Scripts read its job.
type record struct {
	Name     string    `json:"name"`
	Job      string    `json:"job"`
	Language string    `json:"language"`
	Started  time.Time `json:"started"`
}

// state is what the program says of itself.
type state struct {
	State   string `json:"state"`
	Done    int    `json:"done"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// known is what is known of a session without its job.
type known struct {
	record
	state state
	count int // of statements begun
}

// StartSession implements driver.Sessions. One that has died gives its name to a new one.
func (s *Sessions) StartSession(ctx context.Context, q driver.Session) (driver.SessionStatus, error) {
	if err := check(q); err != nil {
		return driver.SessionStatus{}, err
	}
	k, err := s.find(ctx, q.Name)
	if fault.CodeOf(err) == fault.NotFound {
		return s.begin(ctx, q)
	}
	if err != nil {
		return driver.SessionStatus{}, err
	}
	job, err := s.poll(ctx, k)
	if err != nil {
		return driver.SessionStatus{}, err
	}
	if job.Reason == "NoRecord" { // whoever wrote its record died, or is about to start it
		return s.begin(ctx, q)
	}
	st, err := s.statusOf(ctx, k, job)
	if err != nil || st.State != driver.SessionDead {
		return st, err
	}
	if err := s.end(ctx, k.record); err != nil {
		return st, err
	}
	return s.begin(ctx, q)
}

// begin starts a session's job. The record says which one that is: it is written first, once.
func (s *Sessions) begin(ctx context.Context, q driver.Session) (driver.SessionStatus, error) {
	job, err := s.job(ctx, q)
	if err != nil {
		return driver.SessionStatus{}, err
	}
	r, err := s.keep(ctx, record{q.Name, "s-" + id.New(), q.Language, time.Now().UTC()})
	if err != nil {
		return driver.SessionStatus{}, err
	}
	if _, err := s.Jobs.Start(ctx, r.named(job)); err != nil {
		return driver.SessionStatus{}, err
	}
	return s.SessionStatus(ctx, q.Name)
}

var nameRule = regexp.MustCompile(`^[a-z0-9-]{1,63}$`)

func check(q driver.Session) error {
	switch {
	case !nameRule.MatchString(q.Name):
		return &fault.Error{
			Code: fault.Invalid, Reason: "SessionNameInvalid", What: "the session cannot be started", Why: strconv.Quote(q.Name) + " is no name of one",
			Fix: "give a name of lower-case letters, digits and hyphens; run: zaffre spark session start --help", Field: "name",
		}
	case q.Language != "pyspark" && q.Language != "sql":
		return &fault.Error{
			Code: fault.Unsupported, Reason: "LanguageUnsupported", What: "the session cannot be started",
			Why: "its interpreter is Python, and " + strconv.Quote(q.Language) + " is neither pyspark nor sql", Fix: "give pyspark or sql; run: zaffre spark session start --help", Field: "language",
		}
	}
	return nil
}

func optionFault(path, why, fix string) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "OptionInvalid", What: "the option " + path + " cannot be used", Why: why, Fix: fix, Field: "options." + path,
	}
}

// keep writes a record, or returns the one that is there.
func (s *Sessions) keep(ctx context.Context, r record) (record, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return r, err
	}
	a, err := s.Place.Tell(ctx, bytes.NewReader(text), recordScript, s.Place.ID, r.Name, r.Job)
	if err == nil && a.Exit == 0 {
		err = json.Unmarshal([]byte(a.One["record"]), &r)
	} else if err == nil {
		err = unwritten(a.Said)
	}
	return r, err
}

func unwritten(said string) error {
	return &fault.Error{
		Code: fault.Precondition, Reason: "SessionNotWritten", What: "the session cannot be used", Why: "its files cannot be written below the work directory",
		Fix: "free space there, or see who may write; run: zaffre compute check NAME", Evidence: hostagent.Say(said),
	}
}
