package quickstart

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/examples"
	"github.com/zaffre-ml/zaffre/internal/cli/environment"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
	"github.com/zaffre-ml/zaffre/internal/cli/run"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

const experiment = "digits"

// gammas are the three values of the parameter.
func gammas() []string { return []string{"0.0001", "0.001", "0.01"} }

// train submits the example three times, follows the first run and waits for the others.
func (q *tour) train(ctx context.Context, s *frame.Session) error {
	code := filepath.Join(q.dir, "digits")
	if err := unpack(code); err != nil {
		return err
	}
	env, err := environment.Use(ctx, q.a, s, filepath.Join(code, "conda.yml"))
	if err != nil {
		return err
	}
	folder, err := client.ReadFolder(ctx, code, client.FolderOptions{})
	if err != nil {
		return err
	}
	snapshot, err := s.Upload(ctx, s.WS, folder, nil)
	if err != nil {
		return err
	}
	for _, gamma := range gammas() {
		r, err := s.Submit(ctx, s.WS, client.RunRequest{
			Name: client.NewName(), Experiment: experiment, Display: "gamma=" + gamma, Tags: map[string]string{"gamma": gamma},
			Command: []string{"python", "train.py", "--gamma", gamma}, Snapshot: snapshot, Environment: env,
		})
		if err != nil {
			return err
		}
		q.runs = append(q.runs, r)
	}
	q.a.Talk("quickstart.submitted", len(q.runs), q.runs[0].ID)
	return q.wait(ctx, s)
}

func (q *tour) wait(ctx context.Context, s *frame.Session) error {
	for i, r := range q.runs {
		var err error
		if i == 0 {
			r, err = run.Follow(ctx, q.a, s, r, q.a.Stderr)
		} else {
			err = s.WatchRun(ctx, s.WS, r.ID, func(now client.Run) error { r = now; return nil })
		}
		if err != nil {
			return err
		}
		q.runs[i] = r
		if r.State != "Completed" {
			return failed(q.a, r)
		}
	}
	return nil
}

func failed(a *frame.App, r client.Run) error {
	f := &fault.Error{
		Code: fault.Internal, Reason: "QuickstartRunFailed", What: fmt.Sprintf("the run %s is %s", r.ID, r.State),
		Why: "a run of the quickstart did not complete", Fix: "read its log; run: zaffre run logs " + r.ID + " --data " + a.Data,
	}
	if r.Error != nil {
		f.Why, f.Evidence = r.Error.Error(), r.Error.Evidence
		if r.Error.Fix != "" {
			f.Fix = r.Error.Fix
		}
	}
	return f
}

// unpack writes the example where it can be read, changed and submitted again.
func unpack(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return noExample(err)
	}
	err := fs.WalkDir(examples.Digits, "digits", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := examples.Digits.ReadFile(name)
		if err != nil {
			return err
		}
		file := filepath.Join(dir, e.Name())
		if had, err := os.ReadFile(file); err == nil && string(had) == string(text) {
			return nil
		}
		return os.WriteFile(file, text, 0o644)
	})
	if err != nil {
		return noExample(err)
	}
	return nil
}

func noExample(err error) error {
	return &fault.Error{
		Code: fault.Precondition, Reason: "ScratchUnwritable", What: "the quickstart's example cannot be written",
		Why: err.Error(), Fix: "give another folder; run: zaffre quickstart --dir DIR",
	}
}
