package databricks

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// endWithin is how long Clean waits for the runs that it cancels.
const (
	endWithin = 15 * time.Second
	endPoll   = 200 * time.Millisecond
)

// Clean implements driver.Cleaner: it cancels and deletes the runs that go on, and removes our folder. Pages of
// runs that have ended stay in the workspace, which forgets them by itself.
func (c *conn) Clean(ctx context.Context, dryRun bool) ([]driver.Item, error) {
	items, err := c.cleanRuns(ctx, dryRun)
	if err != nil {
		return items, err
	}
	top, err := c.ours.Listed(ctx, "")
	if err != nil || len(top) == 0 {
		return items, err
	}
	folder := driver.Item{Type: "folder", Name: c.files.uri("")}
	if !dryRun {
		err = c.files.Remove(ctx, "")
		folder.Removed = err == nil
		c.ours.Forget()
	}
	return append(items, folder), err
}

func (c *conn) cleanRuns(ctx context.Context, dryRun bool) ([]driver.Item, error) {
	runs, err := c.active(ctx)
	var items []driver.Item
	for _, r := range runs {
		items = append(items, driver.Item{Type: "run", Name: r.Name + " " + r.Page})
	}
	if err != nil || dryRun {
		return items, err
	}
	for _, r := range runs {
		if err := c.cancel(ctx, r.ID); err != nil {
			return items, err
		}
	}
	for i, r := range runs {
		if err := c.deleteEnded(ctx, r.ID); err != nil {
			return items, err
		}
		items[i].Removed = true
	}
	return items, nil
}

// active returns our runs that are not over.
func (c *conn) active(ctx context.Context) ([]runState, error) {
	var out []runState
	for token := ""; ; {
		var page struct {
			Runs []runState `json:"runs"`
			Next string     `json:"next_page_token"`
		}
		q := url.Values{"active_only": {"true"}, "run_type": {"SUBMIT_RUN"}}
		if token != "" {
			q.Set("page_token", token)
		}
		if err := c.get(ctx, runsList, q, &page); err != nil {
			return out, err
		}
		for _, r := range page.Runs {
			if strings.HasPrefix(r.Name, c.runName("")) {
				out = append(out, r)
			}
		}
		if token = page.Next; token == "" {
			return out, nil
		}
	}
}

// deleteEnded deletes a run once it is over: one that goes on cannot be deleted.
func (c *conn) deleteEnded(ctx context.Context, id int64) error {
	ctx, cancel := context.WithTimeout(ctx, endWithin)
	defer cancel()
	tick := time.NewTicker(endPoll)
	defer tick.Stop()
	for {
		r, err := c.run(ctx, id)
		if missing(err) {
			return nil
		}
		if err != nil {
			return err
		}
		if r.ended() {
			err := c.post(ctx, runsDelete, map[string]any{"run_id": id}, nil)
			if missing(err) {
				return nil
			}
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return &fault.Error{
				Code: fault.Unavailable, Reason: "RunStillThere", What: "the target cannot be cleaned yet", Why: "a run that was cancelled has not ended: " + r.say(r.State.Life),
				Fix: "detach it again later, or end the run in the workspace; run: zaffre compute detach NAME",
			}
		}
	}
}
