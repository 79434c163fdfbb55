package pysession

import (
	"context"
	_ "embed"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/agentx"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

var (
	//go:embed record.sh
	recordScript string
	//go:embed look.sh
	lookScript string
	//go:embed drop.sh
	dropScript string
	//go:embed tail.sh
	tailScript string
)

// all returns what is known of the sessions, or of the one with a name, by name.
func (s *Sessions) all(ctx context.Context, name string) ([]known, error) {
	a, err := s.Place.Ask(ctx, lookScript, s.Place.ID, name)
	if err != nil {
		return nil, err
	}
	var out []known
	for _, key := range slices.Sorted(maps.Keys(a.One)) {
		name, is := strings.CutPrefix(key, "record.")
		if !is {
			continue
		}
		var k known
		if err := json.Unmarshal([]byte(a.One[key]), &k.record); err != nil || k.Name != name {
			continue // not ours
		}
		_ = json.Unmarshal([]byte(a.One["state."+name]), &k.state) // "": it has not begun
		k.count, _ = strconv.Atoi(a.One["count."+name])
		out = append(out, k)
	}
	return out, nil
}

func (s *Sessions) find(ctx context.Context, name string) (known, error) {
	if !nameRule.MatchString(name) {
		return known{}, unknown(name)
	}
	list, err := s.all(ctx, name)
	if err == nil && len(list) == 0 {
		err = unknown(name)
	}
	if err != nil {
		return known{}, err
	}
	return list[0], nil
}

func unknown(name string) error {
	return &fault.Error{
		Code: fault.NotFound, Reason: "SessionUnknown", What: "there is no such session", Why: "the target has none with the name " + strconv.Quote(name),
		Fix: "start it; run: zaffre spark session start --compute NAME --name " + name,
	}
}

// ListSessions implements driver.Sessions.
func (s *Sessions) ListSessions(ctx context.Context) ([]driver.SessionStatus, error) {
	list, err := s.all(ctx, "")
	if err != nil {
		return nil, err
	}
	var out []driver.SessionStatus
	for _, k := range list {
		st, err := s.status(ctx, k)
		if err != nil {
			return nil, err
		}
		out = append(out, st)
	}
	return out, nil
}

// SessionStatus implements driver.Sessions.
func (s *Sessions) SessionStatus(ctx context.Context, name string) (driver.SessionStatus, error) {
	k, err := s.find(ctx, name)
	if err != nil {
		return driver.SessionStatus{}, err
	}
	return s.status(ctx, k)
}

// status is what the job and the program say together.
func (s *Sessions) status(ctx context.Context, k known) (driver.SessionStatus, error) {
	job, err := s.poll(ctx, k)
	if err != nil {
		return driver.SessionStatus{}, err
	}
	return s.statusOf(ctx, k, job)
}

func (s *Sessions) poll(ctx context.Context, k known) (driver.JobStatus, error) {
	h, err := agentx.HandleOf(k.Job)
	if err != nil {
		return driver.JobStatus{}, err
	}
	return s.Jobs.Poll(ctx, h)
}

func (s *Sessions) statusOf(ctx context.Context, k known, job driver.JobStatus) (driver.SessionStatus, error) {
	st := driver.SessionStatus{Name: k.Name, Language: k.Language, Statements: k.count, Started: k.Started, State: driver.SessionStarting}
	switch {
	case job.State.Final():
		return s.dead(ctx, st, k, job)
	case k.state.State == "busy", k.state.State == "idle" && k.state.Done < k.count:
		st.State = driver.SessionBusy
	case k.state.State == "idle":
		st.State = driver.SessionIdle
	}
	return st, nil
}

// dead says why a session has ended: as the program does, which may have had no time to.
func (s *Sessions) dead(ctx context.Context, st driver.SessionStatus, k known, job driver.JobStatus) (driver.SessionStatus, error) {
	st.State, st.Reason, st.Message = driver.SessionDead, k.state.Reason, k.state.Message
	if st.Reason == "" {
		st.Reason, st.Message = "SessionDied", "its interpreter has ended: "+job.Message
		if k.state.State == "" || k.state.State == "starting" {
			st.Reason = "NotStarted"
		}
	}
	if st.Reason == "SessionExpired" {
		return st, nil
	}
	log, _, err := s.Place.Fetch(ctx, 4<<10, tailScript, s.Place.ID, k.Job)
	if words := lastWords(string(log)); words != "" {
		st.Message += "; its log ends: " + words
	}
	return st, err
}

// tellMost is how many lines of a log stand in a status.
const tellMost = 4

// lastWords are the last lines of a log that say something.
func lastWords(log string) string {
	var out []string
	for _, l := range strings.Split(strings.ToValidUTF8(log, "?"), "\n") {
		if l = strings.TrimSpace(l); l != "" && !strings.Contains(l, " INFO ") && !strings.HasPrefix(l, "at ") {
			out = append(out, l)
		}
	}
	return strings.Join(out[max(0, len(out)-tellMost):], " | ")
}
