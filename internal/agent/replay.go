package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	shared "github.com/zaffre-ml/zaffre/internal/relay"
)

// How the server is asked again: soon at first, then less and less often.
const (
	replaySoon   = 100 * time.Millisecond
	replayLate   = 3 * time.Second
	replayWithin = 30 * time.Second // one write
	replayTries  = 20               // of a write that the server fails at, not the way to it
	maxAnswer    = 1 << 20
)

// sender sends a job's writes to the server.
type sender struct {
	host, token, job string
	attempt          int
	http             *http.Client
}

func newSender(root, host string, j jobSpec) *sender {
	return &sender{host: host, token: j.Token, job: j.ID, attempt: j.Attempt, http: &http.Client{
		Transport: &http.Transport{
			DialContext:         func(context.Context, string, string) (net.Conn, error) { return dialHome(root) },
			MaxIdleConnsPerHost: lanes, IdleConnTimeout: 30 * time.Second, DisableCompression: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// reply is the server's answer to a write, read to its end.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// send sends one write. An error leaves open whether it arrived.
func (s *sender) send(ctx context.Context, rec *spooled) (a reply, err error) {
	req, err := http.NewRequestWithContext(ctx, rec.Method, "http://home"+rec.URI, bytes.NewReader(rec.Body))
	if err != nil {
		return a, err
	}
	req.Host = s.host
	for name, value := range map[string]string{
		"Authorization": "Bearer " + s.token, "Content-Type": rec.Type, "Content-Encoding": rec.Encoding,
		shared.Lane: rec.Lane, shared.Sequence: strconv.FormatInt(rec.Sequence, 10),
	} {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	s.stamp(req.Header)
	resp, err := s.http.Do(req)
	if err != nil {
		return a, err
	}
	defer resp.Body.Close()
	a = reply{status: resp.StatusCode, header: resp.Header}
	a.body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return a, err
}

// stamp says which job a request comes from. What the job's process says of that counts nothing.
func (s *sender) stamp(h http.Header) {
	h.Set(shared.Job, s.job)
	h.Set(shared.Attempt, strconv.Itoa(s.attempt))
}

// away reports whether the server did not get to a write: it is to be sent again.
func (a reply) away() bool {
	return slices.Contains([]int{
		http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
	}, a.status)
}

// over reports whether the server takes nothing more from the job.
func (a reply) over() bool {
	reason := a.header.Get(shared.Reason)
	return a.status >= 400 && (reason == "Fenced" || reason == "RunTokenEnded")
}

// troubled reports whether the server failed, or does not know the job's token: as after a restart, which may pass.
func (a reply) troubled() bool { return a.status >= 500 || a.status == http.StatusUnauthorized }

// text is what the server said, for people.
func (a reply) text() string {
	var said struct {
		Message string
		Error   struct{ Message string }
	}
	_ = json.Unmarshal(a.body, &said) // else it is shown as it is
	text := said.Message
	if text == "" {
		text = said.Error.Message
	}
	if text == "" {
		text = string(a.body)
	}
	if text = strings.Join(strings.Fields(text), " "); len(text) > 500 {
		text = strings.ToValidUTF8(text[:500], "") + "…"
	}
	return fmt.Sprintf("%d %s", a.status, text)
}

// replay sends what waits in a spool, in order.
type replay struct {
	*spool
	*sender
	note noter
}

// run sends until ctx ends, or with untilEmpty until nothing waits. It fails where the disk does.
func (r *replay) run(ctx context.Context, untilEmpty bool) error {
	for ctx.Err() == nil {
		changed := r.watch()
		rec, length, err := r.next()
		switch {
		case err != nil:
			n, dropErr := r.drop()
			_ = r.note(fmt.Sprintf("%d writes that waited for the server are lost: %v, %v", n, err, dropErr))
			return err
		case rec == nil && untilEmpty:
			return nil
		case rec == nil:
			select {
			case <-ctx.Done():
			case <-changed:
			}
			continue
		}
		if err := r.settle(ctx, rec, length); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// settle sends one write until the server has said what becomes of it.
func (r *replay) settle(ctx context.Context, rec *spooled, length int64) error {
	wait := replaySoon
	for tries := 0; ctx.Err() == nil; {
		a, err := r.try(ctx, rec)
		switch {
		case err != nil || a.away():
		case a.over():
			n, err := r.drop()
			_ = r.note(fmt.Sprintf("%d writes that waited for the server are dropped: %s", n, a.text()))
			return err
		case a.troubled() && tries < replayTries:
			tries++
		default:
			r.tellRefused(rec, a)
			return r.sent(length)
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait/2 + rand.N(wait)):
			wait = min(2*wait, replayLate)
		}
	}
	return nil
}

func (r *replay) try(ctx context.Context, rec *spooled) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, replayWithin)
	defer cancel()
	return r.send(ctx, rec)
}

// tellRefused notes what the job's process was told otherwise, since it could not wait for the answer.
func (r *replay) tellRefused(rec *spooled, a reply) {
	path, _, _ := strings.Cut(rec.URI, "?")
	w, _ := shared.Find(rec.Method, path)
	if a.status < 300 && strings.TrimSpace(string(a.body)) == w.Answer {
		return
	}
	_ = r.note(fmt.Sprintf("the server refused a write that had waited for it (%s): %s", w.Name, a.text()))
}
