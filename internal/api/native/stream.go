package native

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/api/httpx"
	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/event"
	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/store"
)

func (a *api) routesStreams() {
	const one = "/workspaces/{ws}/runs/{id}"
	log := a.op(http.MethodGet, one+"/log", "get-log", "Read a run's log from a byte offset; as events it is followed to its end")
	log.Responses = streams("text/plain", "text/event-stream")
	huma.Register(a.huma, log, a.getLog)
	buildLog := a.op(http.MethodGet, "/workspaces/{ws}/environments/{name}/versions/{version}/builds/log", "get-build-log", "Read a build's log; like get-log")
	buildLog.Responses = streams("text/plain", "text/event-stream")
	huma.Register(a.huma, buildLog, a.getBuildLog)
	watch := a.op(http.MethodGet, one+"/watch", "watch-run", "The run as it is, and again at each change, to its end: an event stream")
	watch.Responses = streams("text/event-stream")
	huma.Register(a.huma, watch, a.watchRun)
	events := a.op(http.MethodGet, "/workspaces/{ws}/events", "list-events", "List events; as an event stream, new ones follow as they come")
	events.Responses = map[string]*huma.Response{"200": {Description: "OK", Content: map[string]*huma.MediaType{
		"application/json":  {Schema: a.schemaOf(client.Page[client.Event]{})},
		"text/event-stream": {Schema: &huma.Schema{Type: "string"}},
	}}}
	huma.Register(a.huma, events, a.getEvents)
}

// LogQuery says which part of a log to send, and how. The id of an event is the offset after it: it resumes there.
type LogQuery struct {
	Offset int64  `query:"offset" minimum:"0" doc:"Byte to start at"`
	Follow bool   `query:"follow" doc:"Go on while the log grows"`
	Accept string `header:"Accept" hidden:"true"`
	LastID string `header:"Last-Event-ID" pattern:"^[0-9]{0,18}$"`
}

func (in LogQuery) start() int64 {
	if n, err := strconv.ParseInt(in.LastID, 10, 64); err == nil {
		return n
	}
	return in.Offset
}

func (a *api) getLog(ctx context.Context, in *struct {
	RunPath
	LogQuery
	Attempt int `query:"attempt" minimum:"0" doc:"0 is the current one"`
},
) (*huma.StreamResponse, error) {
	return a.log(ctx, in.LogQuery, func(ctx context.Context, follow bool) (io.ReadCloser, error) {
		return a.Runs.OpenLog(ctx, in.key(), in.Attempt, in.start(), follow)
	})
}

func (a *api) getBuildLog(ctx context.Context, in *struct {
	BuildPath
	LogQuery
},
) (*huma.StreamResponse, error) {
	return a.log(ctx, in.LogQuery, func(ctx context.Context, follow bool) (io.ReadCloser, error) {
		return a.Environments.OpenLog(ctx, in.Workspace, in.ref(), compute.KeyOf(in.Workspace, in.Compute), in.start(), follow)
	})
}

// log sends a log as plain bytes or as events. Nobody is kept waiting by a server that stops: the
// stream ends without "end", and its reader comes again.
func (a *api) log(ctx context.Context, in LogQuery, open func(ctx context.Context, follow bool) (io.ReadCloser, error)) (*huma.StreamResponse, error) {
	events := httpx.WantsEvents(in.Accept)
	ctx, cancel := httpx.Until(ctx, a.Stopping)
	body, err := open(ctx, in.Follow || events)
	if err != nil {
		cancel()
		return nil, err
	}
	return &huma.StreamResponse{Body: func(c huma.Context) {
		defer cancel()
		r, w := humago.Unwrap(c)
		if events {
			err = sendLog(ctx, w, body, in.start())
		} else {
			err = copyLog(ctx, w, body)
		}
		httpx.Failed(r.Context(), streamError(ctx, err))
	}}, nil
}

// streamError leaves out that the other side, or the server, has had enough.
func streamError(ctx context.Context, err error) error {
	if ctx.Err() != nil || errors.Is(err, http.ErrHandlerTimeout) {
		return nil
	}
	return err
}

func copyLog(ctx context.Context, w http.ResponseWriter, body io.ReadCloser) error {
	defer body.Close()
	stop := context.AfterFunc(ctx, func() { body.Close() })
	defer stop()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	s := httpx.NewStream(w)
	if err := s.Flush(); err != nil {
		return err
	}
	_, err := io.Copy(s, body)
	return err
}

// piece is what one Read of a log gave.
type piece struct {
	data []byte
	err  error
}

// sendLog sends a log as events.
func sendLog(ctx context.Context, w http.ResponseWriter, body io.ReadCloser, offset int64) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	pieces, wait := readPieces(ctx, body)
	defer wait()
	defer body.Close()
	defer cancel()
	events, err := httpx.NewEvents(w)
	if err != nil {
		return err
	}
	ping := time.NewTicker(httpx.PingEvery)
	defer ping.Stop()
	fold := httpx.NewFold(offset)
	for {
		chunk, again := fold.Take(time.Now())
		if err := sendChunk(events, chunk); err != nil {
			return err
		}
		var later <-chan time.Time
		if again > 0 {
			later = time.After(again)
		}
		select {
		case p, open := <-pieces:
			if !open {
				return nil
			}
			fold.Add(p.data)
			if p.err != nil {
				return endLog(ctx, events, fold, p.err)
			}
		case <-later:
		case <-ping.C:
			err = events.Ping()
		case <-ctx.Done():
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// endLog sends what is left, and "end" if that was all.
func endLog(ctx context.Context, events *httpx.Events, fold *httpx.Fold, cause error) error {
	chunk := fold.Rest()
	if err := sendChunk(events, chunk); err != nil {
		return err
	}
	if ctx.Err() != nil || !errors.Is(cause, io.EOF) {
		return cause
	}
	data, err := json.Marshal(client.LogChunk{Offset: chunk.End})
	if err != nil {
		return err
	}
	return events.Send(strconv.FormatInt(chunk.End, 10), "end", data)
}

func sendChunk(events *httpx.Events, c httpx.Chunk) error {
	if c.End == c.Offset {
		return nil
	}
	data, err := json.Marshal(client.LogChunk{Offset: c.Offset, Text: string(c.Text)})
	if err != nil {
		return err
	}
	return events.Send(strconv.FormatInt(c.End, 10), "", data)
}

// readPieces reads body in the background until it ends or ctx does; wait waits for that. body must be
// closed by then.
func readPieces(ctx context.Context, body io.Reader) (pieces <-chan piece, wait func()) {
	ch, done := make(chan piece), make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 32<<10)
		for {
			n, err := body.Read(buf)
			select {
			case ch <- piece{bytes.Clone(buf[:n]), err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return ch, func() { <-done }
}

func (a *api) watchRun(ctx context.Context, in *RunPath) (*huma.StreamResponse, error) {
	changed, stop := a.Runs.Watch(in.key())
	r, err := a.Runs.Get(ctx, in.key())
	if err != nil {
		stop()
		return nil, err
	}
	ctx, cancel := httpx.Until(ctx, a.Stopping)
	return &huma.StreamResponse{Body: func(c huma.Context) {
		defer cancel()
		defer stop()
		req, w := humago.Unwrap(c)
		httpx.Failed(req.Context(), streamError(ctx, a.sendRun(ctx, w, r, changed)))
	}}, nil
}

// sendRun sends a run at each change. What changes without an event (why it waits) is seen at a ping.
func (a *api) sendRun(ctx context.Context, w http.ResponseWriter, r run.Run, changed <-chan struct{}) error {
	events, err := httpx.NewEvents(w)
	if err != nil {
		return err
	}
	ping := time.NewTicker(httpx.PingEvery)
	defer ping.Stop()
	last := ""
	for {
		data, err := json.Marshal(toRun(r))
		if err != nil {
			return err
		}
		if string(data) != last {
			if err := events.Send("", "", data); err != nil {
				return err
			}
			last = string(data)
		}
		if r.Status.State.Final() {
			return nil
		}
		select {
		case <-changed:
		case <-ping.C:
			if err := events.Ping(); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
		if r, err = a.Runs.Get(ctx, r.Key()); err != nil {
			return err
		}
	}
}

func (a *api) getEvents(ctx context.Context, in *struct {
	WorkspacePath
	After   int64  `query:"after" minimum:"0" doc:"Only events after this sequence number"`
	Subject string `query:"subject" doc:"Only of this subject; with a slash at its end, of all below"`
	Limit   int    `query:"limit" minimum:"0" maximum:"1000"`
	Accept  string `header:"Accept" hidden:"true"`
	LastID  string `header:"Last-Event-ID" pattern:"^[0-9]{0,18}$"`
},
) (*huma.StreamResponse, error) {
	f, after := event.Filter{Workspace: in.Workspace, Subject: in.Subject}, in.After
	if n, err := strconv.ParseInt(in.LastID, 10, 64); err == nil {
		after = n
	}
	list, err := a.Events.List(ctx, f, after, in.Limit)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(c huma.Context) {
		r, w := humago.Unwrap(c)
		if httpx.WantsEvents(in.Accept) {
			ctx, cancel := httpx.Until(ctx, a.Stopping)
			defer cancel()
			httpx.Failed(r.Context(), streamError(ctx, a.sendEvents(ctx, w, f, after)))
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(pageOf(list, nextEvent(list, in.Limit), toEvent).Body) // the caller may have gone
	}}, nil
}

// nextEvent is what to ask for after a full page.
func nextEvent(list []store.Event, limit int) string {
	if limit == 0 {
		limit = 100
	}
	if len(list) < limit {
		return ""
	}
	return strconv.FormatInt(list[len(list)-1].Sequence, 10)
}

func (a *api) sendEvents(ctx context.Context, w http.ResponseWriter, f event.Filter, after int64) error {
	events, err := httpx.NewEvents(w)
	if err != nil {
		return err
	}
	return a.Events.Follow(ctx, f, after, event.Idle{Every: httpx.PingEvery, Call: events.Ping}, func(e store.Event) error {
		data, err := json.Marshal(toEvent(e))
		if err != nil {
			return err
		}
		return events.Send(strconv.FormatInt(e.Sequence, 10), "", data)
	})
}

func (a *api) schemaOf(v any) *huma.Schema {
	return huma.SchemaFromType(a.huma.OpenAPI().Components.Schemas, reflect.TypeOf(v))
}
