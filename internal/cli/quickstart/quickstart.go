// Package quickstart has the command that shows zaffre's main job from nothing.
package quickstart

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
	"github.com/zaffre-ml/zaffre/internal/cli/run"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Command returns the verb "quickstart".
func Command(a *frame.App) *cobra.Command {
	keep, dir := false, ""
	cmd := a.Command("quickstart", "quickstart [--keep] [--dir DIR]", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		if dir == "" {
			dir = scratch(a)
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return &fault.Error{
				Code: fault.Precondition, Reason: "ScratchUnwritable", What: "the quickstart has no place for its files",
				Why: err.Error(), Fix: "give a folder; run: zaffre quickstart --dir DIR",
			}
		}
		q := &tour{a: a, dir: dir, keep: keep}
		s, server, err := q.connect(cmd.Context())
		if err != nil {
			return err
		}
		err = q.run(cmd.Context(), s)
		q.leave(server)
		return err
	})
	cmd.Flags().BoolVar(&keep, "keep", false, a.Say("flag.quickstart.keep"))
	cmd.Flags().StringVar(&dir, "dir", "", a.Say("flag.quickstart.dir"))
	return cmd
}

// scratch is always the same folder, so that a second start finds the environment built. For root it
// lies where another user may be led to: the code runs as one.
func scratch(a *frame.App) string {
	if os.Geteuid() == 0 {
		return "/var/cache/zaffre-quickstart"
	}
	return filepath.Join(filepath.Dir(a.CacheDir()), "zaffre-quickstart")
}

// tour is one quickstart.
type tour struct {
	a    *frame.App
	dir  string
	keep bool // leave the server running
	runs []client.Run
}

// connect finds the server that runs, or starts one in the scratch folder, which is returned then.
func (q *tour) connect(ctx context.Context) (*frame.Session, *server, error) {
	if q.a.Data == "" {
		if p, err := q.a.Profile(); err == nil && answers(ctx, p) {
			q.a.Talk("quickstart.found", p.URL)
			s, err := q.a.Connect()
			return s, nil, err
		}
		q.a.Data = filepath.Join(q.dir, "data")
	}
	if p, err := client.Load(q.a.Data); err == nil && answers(ctx, p) {
		q.a.Talk("quickstart.found", p.URL)
		s, err := q.a.Connect()
		return s, nil, err
	}
	srv, err := start(ctx, q.a.Data, filepath.Join(q.dir, "server.log"), q.keep)
	if err != nil {
		return nil, nil, err
	}
	s, err := q.a.Connect()
	if err != nil {
		srv.stop()
		return nil, nil, err
	}
	q.a.Talk("quickstart.started", s.URL(), q.a.Data)
	return s, srv, nil
}

func answers(ctx context.Context, p client.Profile) bool {
	cfg, err := p.Config()
	if err != nil {
		return false
	}
	cfg.Retries = -1
	c, err := client.New(cfg)
	if err != nil {
		return false
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	if c.Ready(ctx) != nil {
		return false
	}
	_, err = c.Server(ctx) // the token is good
	return err == nil
}

// run trains three models and shows what became of them.
func (q *tour) run(ctx context.Context, s *frame.Session) error {
	if err := q.train(ctx, s); err != nil {
		q.abandon(ctx, s)
		return err
	}
	results, err := q.results(ctx, s)
	if err != nil {
		return err
	}
	if err := q.show(results); err != nil {
		return err
	}
	if err := q.keepModel(ctx, s, best(results)); err != nil {
		return err
	}
	if q.a.Output != "table" {
		return nil
	}
	q.a.Talk("quickstart.runs")
	runs, err := s.Runs(ctx, s.WS, client.RunFilter{Experiment: experiment}, client.Cursor{Limit: 10})
	if err != nil {
		return err
	}
	return run.Print(q.a, runs.Items)
}

// abandon asks the runs to end: they outlive this program, and the server too.
func (q *tour) abandon(ctx context.Context, s *frame.Session) {
	if len(q.runs) > 0 {
		q.a.Talk("quickstart.abandoned", len(q.runs))
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
	defer cancel()
	for _, r := range q.runs {
		if r, err := s.CancelRun(ctx, s.WS, r.ID); err == nil && !r.Final() {
			_ = s.WatchRun(ctx, s.WS, r.ID, func(client.Run) error { return nil })
		}
	}
}

// leave stops the server that was started, or says how to go on with it.
func (q *tour) leave(srv *server) {
	zaffre := program()
	switch {
	case srv == nil:
		q.a.Next(zaffre + " run list")
	case q.keep:
		q.a.Talk("quickstart.keeps", srv.pid(), q.a.Data)
		q.a.Next(zaffre + " run list --data " + q.a.Data)
	default:
		srv.stop()
		q.a.Talk("quickstart.stopped", zaffre, q.a.Data)
	}
}

// program is how this program was called: "go run" leaves no binary to call again.
func program() string {
	if self, err := os.Executable(); err == nil && strings.Contains(self, "go-build") {
		return "go run ./cmd/zaffre"
	}
	return "zaffre"
}
