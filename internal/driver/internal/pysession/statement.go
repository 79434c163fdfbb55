package pysession

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

var (
	//go:embed add.sh
	addScript string
	//go:embed read.sh
	readScript string
	//go:embed cancel.sh
	cancelScript string
)

// maxStatement bounds what is read of a statement: its code, and what it printed, as JSON.
const maxStatement = 16 << 20

// live returns a session that takes statements.
func (s *Sessions) live(ctx context.Context, name string) (known, error) {
	k, err := s.find(ctx, name)
	if err != nil {
		return k, err
	}
	st, err := s.status(ctx, k)
	if err == nil && st.State == driver.SessionDead {
		err = &fault.Error{
			Code: fault.Precondition, Reason: st.Reason, What: fmt.Sprintf("the session %q takes no statements", name), Why: st.Message,
			Fix: "start it anew; run: zaffre spark session start --compute NAME --name " + name,
		}
	}
	return k, err
}

// BeginStatement implements driver.Sessions.
func (s *Sessions) BeginStatement(ctx context.Context, session string, number int, code string) (driver.Statement, error) {
	k, err := s.live(ctx, session)
	if err != nil {
		return driver.Statement{}, err
	}
	if number < 0 {
		return driver.Statement{}, outOfOrder(number, "there are "+strconv.Itoa(k.count))
	}
	a, err := s.Place.Tell(ctx, strings.NewReader(code), addScript, s.Place.ID, k.Job, strconv.Itoa(number))
	switch {
	case err != nil:
		return driver.Statement{}, err
	case a.Exit != 0:
		return driver.Statement{}, unwritten(a.Said)
	case a.Has("gone"):
		return driver.Statement{}, unknown(session)
	case a.Has("other"):
		return driver.Statement{}, outOfOrder(number, "another statement has that number")
	case !a.Has("kept"):
		return driver.Statement{}, outOfOrder(number, "there are "+a.One["count"])
	}
	return s.read(ctx, k, number)
}

func outOfOrder(number int, why string) error {
	return &fault.Error{
		Code: fault.Conflict, Reason: "StatementOutOfOrder", What: fmt.Sprintf("statement %d cannot be begun", number), Why: why,
		Fix: "send it again with that number; run: zaffre spark session exec does so",
	}
}

// ReadStatement implements driver.Sessions.
func (s *Sessions) ReadStatement(ctx context.Context, session string, number int) (driver.Statement, error) {
	k, err := s.live(ctx, session)
	if err != nil {
		return driver.Statement{}, err
	}
	return s.read(ctx, k, number)
}

func (s *Sessions) read(ctx context.Context, k known, number int) (driver.Statement, error) {
	out, exit, err := s.Place.Fetch(ctx, maxStatement, readScript, s.Place.ID, k.Job, strconv.Itoa(number))
	if err != nil {
		return driver.Statement{}, err
	}
	if exit != 0 {
		return driver.Statement{}, noStatement(k.Name, number)
	}
	line, code, _ := bytes.Cut(out, []byte("\n"))
	st := driver.Statement{Number: number, Code: string(code), State: driver.StatementWaiting}
	if len(line) == 0 {
		return st, nil
	}
	var said struct {
		State    driver.StatementState `json:"state"`
		Progress float64               `json:"progress"`
		Output   map[string]string     `json:"output"`
		Error    string                `json:"error"`
		Trace    []string              `json:"trace"`
	}
	if err := json.Unmarshal(line, &said); err != nil {
		return st, unwritten("the answer of statement " + strconv.Itoa(number) + " cannot be read")
	}
	st.State, st.Progress, st.Output, st.Error, st.Trace = said.State, said.Progress, said.Output, said.Error, said.Trace
	return st, nil
}

func noStatement(session string, number int) error {
	return &fault.Error{
		Code: fault.NotFound, Reason: "StatementUnknown", What: "there is no such statement", Why: fmt.Sprintf("none of the session %q has the number %d", session, number),
		Fix: "send it; run: zaffre spark session exec --help",
	}
}

// CancelStatement implements driver.Sessions. One that waits is then left out; one that runs is interrupted.
func (s *Sessions) CancelStatement(ctx context.Context, session string, number int) error {
	k, err := s.live(ctx, session)
	if err != nil {
		return err
	}
	a, err := s.Place.Ask(ctx, cancelScript, s.Place.ID, k.Job, strconv.Itoa(number))
	if err == nil && a.Exit == 3 {
		return noStatement(session, number)
	}
	if err == nil && a.Exit != 0 {
		return unwritten(a.Said)
	}
	return err
}
