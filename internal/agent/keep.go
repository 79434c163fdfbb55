package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	shared "github.com/zaffre-ml/zaffre/internal/relay"
)

const (
	directWithin = 5 * time.Second // that a write waits for the server before it is kept
	lanes        = 8               // writes that are on their way at once
	maxKeptBody  = 8 << 20         // of a write that can be kept
	fullRetry    = time.Second     // between two tries to keep a write on a disk that was full
)

// SpoolVariable is a variable of a job that bounds its spool, in bytes.
const SpoolVariable = "ZAFFRE_SPOOL_BYTES"

// lane is what its writes are known by: they are on their way one after the other.
type lane struct {
	name     string
	sequence int64
}

// keeper is a relay's way of writing: to the server, or onto the disk until it is there.
type keeper struct {
	*sender
	*spool
	free chan *lane
	turn chan struct{} // of the writes whose clients write ahead
	note noter
	stop func()

	mu   sync.Mutex
	full bool   // it was said
	owed string // what is to be said of it, when the disk takes it
}

// openKeeper opens the job's spool and begins to send what waits there.
func (s *supervisor) openKeeper(r *relay) error {
	limit, err := strconv.ParseInt(s.spec.Job.Env[SpoolVariable], 10, 64)
	if err != nil || limit < 1 {
		limit = spoolLimit
	}
	var kept *spool
	for range 50 { // the last process of a supervisor that died may have its lock for a moment
		if kept, err = openSpool(s.dir, limit); err == nil || !errors.Is(err, syscall.EWOULDBLOCK) {
			break
		}
		time.Sleep(relayPause / 2)
	}
	if err != nil {
		return err
	}
	k := &keeper{
		sender: newSender(r.root, r.address(), s.spec.Job), spool: kept,
		free: make(chan *lane, lanes), turn: make(chan struct{}, 1), note: noteIn(s.dir),
	}
	base := newLane()
	for i := range lanes {
		k.free <- &lane{name: fmt.Sprintf("%s.%d", base, i)}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var sending sync.WaitGroup
	sending.Go(func() {
		if err := (&replay{kept, k.sender, k.note}).run(ctx, false); err != nil && ctx.Err() == nil {
			fmt.Fprintln(os.Stderr, "replay", filepath.Base(s.dir), err)
		}
	})
	k.stop = sync.OnceFunc(func() {
		cancel()
		sending.Wait()
		kept.close()
	})
	r.keeper, s.closeKeeper = k, k.stop
	return nil
}

// write answers one of the writes that can wait: by the server if it is there, else by what it would say. ok is false
// where the request is none that can be kept; its body can be read as before.
func (k *keeper) write(w http.ResponseWriter, req *http.Request, kind shared.Write) (ok bool) {
	body, err := io.ReadAll(io.LimitReader(req.Body, maxKeptBody+1))
	if err != nil {
		refuse(w, http.StatusBadRequest, "BodyCutOff", "the request ended too early")
		return true
	}
	if len(body) > maxKeptBody {
		req.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(body), req.Body), req.Body}
		return false
	}
	if kind.Ahead {
		if !k.inTurn(w, req) {
			return true
		}
		defer func() { <-k.turn }()
	}
	rec := &spooled{
		Method: req.Method, URI: req.URL.RequestURI(), Body: body,
		Type: req.Header.Get("Content-Type"), Encoding: req.Header.Get("Content-Encoding"),
	}
	if l := k.lane(req.Context()); l != nil {
		defer func() { k.free <- l }() // not before the write is kept: its lane goes on only after it
		l.sequence++
		rec.Lane, rec.Sequence = l.name, l.sequence
		if k.direct(w, req, rec) {
			return true
		}
	}
	k.keep(w, req, rec, kind)
	return true
}

// inTurn waits until the writes that came before one are answered; false: they were not in time, and it was told so.
func (k *keeper) inTurn(w http.ResponseWriter, req *http.Request) bool {
	select { // who waited longest gets in first
	case k.turn <- struct{}{}:
		return true
	case <-req.Context().Done():
	case <-time.After(relayWithin):
		refuseWaiting(w)
	}
	return false
}

// lane returns a lane for a write that goes straight to the server; nil: others wait already, and it goes behind them.
func (k *keeper) lane(ctx context.Context) *lane {
	for changed := k.watch(); !k.waiting(); changed = k.watch() {
		select {
		case l := <-k.free:
			if !k.waiting() {
				return l
			}
			k.free <- l
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// direct sends a write, and answers as the server does; false where the server is away.
func (k *keeper) direct(w http.ResponseWriter, req *http.Request, rec *spooled) bool {
	ctx, cancel := context.WithTimeout(req.Context(), directWithin)
	defer cancel()
	a, err := k.send(ctx, rec)
	if req.Context().Err() != nil {
		return true // nobody waits for the answer
	}
	if err != nil || a.away() {
		return false
	}
	for _, name := range []string{"Connection", "Transfer-Encoding", "Content-Length", shared.Reason} {
		a.header.Del(name)
	}
	maps.Copy(w.Header(), a.header)
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body)
	return true
}

// keep keeps a write, and answers as the server would. Where there is no room it waits for some, with a deadline.
func (k *keeper) keep(w http.ResponseWriter, req *http.Request, rec *spooled, kind shared.Write) {
	ctx, cancel := context.WithTimeout(req.Context(), relayWithin)
	defer cancel()
	for {
		changed := k.watch()
		err := k.add(ctx, rec)
		switch {
		case err == nil:
			w.Header().Set("Content-Type", kind.Type)
			w.Header().Set("Warning", `112 - "the server is away: the write is kept on the run's machine"`)
			_, _ = io.WriteString(w, kind.Answer)
			k.tellOwed()
			return
		case errors.Is(err, errSpoolClosed):
			refuse(w, http.StatusServiceUnavailable, "RunEnded", "the run's process has ended, and nothing more is kept of it")
			return
		case ctx.Err() == nil:
			k.tellFull(err)
		}
		select {
		case <-ctx.Done():
			refuse(w, http.StatusServiceUnavailable, "SpoolFull", "the server is away, and the run's machine keeps no more: "+fullText(err))
			return
		case <-changed:
		case <-time.After(fullRetry):
		}
	}
}

// tellFull says once in the run's log that nothing more is kept, as soon as the disk takes that.
func (k *keeper) tellFull(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.full {
		k.full = true
		k.owed = "the server is away, and " + fullText(err) + ": what the run logs then waits until there is room, and fails after " + relayWithin.String()
	}
	k.pay()
}

func (k *keeper) tellOwed() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.pay()
}

func (k *keeper) pay() {
	if k.owed != "" && k.note(k.owed) == nil {
		k.owed = ""
	}
}

func fullText(err error) string {
	switch {
	case errors.Is(err, errSpoolFull):
		return "as much is kept for it as may be (variable " + SpoolVariable + ")"
	case errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT):
		return "the disk of the run's folder is full"
	}
	return "the run's folder takes no more: " + err.Error()
}

// follow has a request wait for the writes before it; false: they did not arrive in time.
func (k *keeper) follow(w http.ResponseWriter, req *http.Request) bool {
	late := time.NewTimer(relayWithin)
	defer late.Stop()
	for {
		changed := k.watch()
		if !k.waiting() {
			return true
		}
		select {
		case <-changed:
		case <-req.Context().Done():
			return false
		case <-late.C:
			refuseWaiting(w)
			return false
		}
	}
}

func refuseWaiting(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "5")
	refuse(w, http.StatusServiceUnavailable, "WritesWaiting", "what the run logged before still waits for the server")
}
