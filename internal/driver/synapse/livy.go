package synapse

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/driver/internal/restx"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// batch is what Livy says of one. Source: Livy 0.7.1, BatchSessionView.
type batch struct {
	ID    int64  `json:"id"`
	Name  string `json:"name"`
	State string `json:"state"`
	AppID string `json:"appId"`
	Info  struct {
		Log string `json:"driverLogUrl"`
		UI  string `json:"sparkUiUrl"`
	} `json:"appInfo"`
}

// States of a batch that are its last. Source: Livy 0.7.1, SessionState.
const (
	stateSuccess = "success"
	stateDead    = "dead"
	stateError   = "error"
	stateKilled  = "killed"
)

func (b batch) ended() bool {
	return b.State == stateSuccess || b.State == stateDead || b.State == stateError || b.State == stateKilled
}

// waits reports whether Livy has not begun to start it.
func (b batch) waits() bool {
	return b.State == "not_started" || b.State == "starting" || b.State == "recovering"
}

func batchPath(id int64) string { return "/batches/" + strconv.FormatInt(id, 10) }

// batch returns the batch of a job. Numbers begin anew when an endpoint loses its memory: the name tells.
func (c *conn) batch(ctx context.Context, ref handle) (batch, error) {
	if ref.Batch < 0 {
		return batch{}, noBatch(ref.Job)
	}
	var b batch
	err := c.ask(ctx, restx.Call{Method: http.MethodGet, Path: batchPath(ref.Batch)}, &b)
	if err == nil && b.Name != ref.Job {
		err = noBatch(ref.Job)
	}
	return b, err
}

func noBatch(job string) error {
	return &fault.Error{
		Code: fault.NotFound, Reason: "BatchNotFound", What: "the endpoint has no such batch", Why: "none has the name " + job,
		Fix: "submit the run again; run: zaffre run submit --help",
	}
}

// pageSize is how many batches are asked for at once.
const pageSize = 100

// batches calls visit for each batch of the endpoint until it returns false.
func (c *conn) batches(ctx context.Context, visit func(batch) bool) error {
	for from := int64(0); ; from += pageSize {
		var page struct {
			Total    int64   `json:"total"`
			Sessions []batch `json:"sessions"`
		}
		q := url.Values{"from": {strconv.FormatInt(from, 10)}, "size": {strconv.Itoa(pageSize)}}
		if err := c.ask(ctx, restx.Call{Method: http.MethodGet, Path: "/batches", Query: q}, &page); err != nil {
			return err
		}
		for _, b := range page.Sessions {
			if !visit(b) {
				return nil
			}
		}
		if len(page.Sessions) == 0 || from+pageSize >= page.Total {
			return nil
		}
	}
}

// find returns the number of a job's batch, or fault.NotFound.
func (c *conn) find(ctx context.Context, job string) (number int64, err error) {
	number = -1
	err = c.batches(ctx, func(b batch) bool {
		if b.Name == job {
			number = b.ID
		}
		return number < 0
	})
	if err == nil && number < 0 {
		err = noBatch(job)
	}
	return number, err
}

// drop ends a batch and has it forgotten; one that is not there is.
func (c *conn) drop(ctx context.Context, number int64) error {
	err := c.ask(ctx, restx.Call{Method: http.MethodDelete, Path: batchPath(number)}, nil)
	if missing(err) {
		return nil
	}
	return err
}

// said are the last lines that Livy kept of a batch, or of a session: spark-submit's own, and what it printed.
func (c *conn) said(ctx context.Context, path string) ([]string, error) {
	var out struct {
		Log []string `json:"log"`
	}
	q := url.Values{"from": {"0"}, "size": {"1000"}} // Livy keeps 200: livy.cache-log.size
	err := c.ask(ctx, restx.Call{Method: http.MethodGet, Path: path + "/log", Query: q}, &out)
	var lines []string
	for _, l := range out.Log {
		if l = strings.Trim(l, "\n"); l != "stdout: " && l != "stderr: " && l != "YARN Diagnostics: " {
			lines = append(lines, l)
		}
	}
	return lines, err
}

// ask sends a request and reads its answer into out.
func (c *conn) ask(ctx context.Context, q restx.Call, out any) error {
	if c.rest == nil {
		return addressUnknown()
	}
	a, err := c.rest.Do(ctx, q)
	if err != nil {
		return err
	}
	if !a.OK() {
		return c.refusal(a)
	}
	return a.Decode(out)
}

func addressUnknown() error {
	return &fault.Error{
		Code: fault.Precondition, Reason: "AddressUnknown", What: "the Spark pool cannot be found",
		Why: "no Livy URL, Spark master or Spark Connect server was given, and nothing says which one stands behind its resource ID",
		Fix: "give one; run: zaffre compute update NAME --livy URL; or add it to the inventory; run: zaffre inventory add RESOURCE-ID livy=URL", Field: "options." + optLivy,
	}
}

// refusal reads an answer that is no success as a fault.
func (c *conn) refusal(a *restx.Answer) error {
	body := a.Said()
	var e struct {
		Message string `json:"msg"`
	}
	isLivy := json.Unmarshal(body, &e) == nil && e.Message != ""
	if json.Unmarshal(body, &e.Message) == nil { // of a field that it does not know it says only a text
		isLivy = true
	}
	words := []string{fmt.Sprintf("%d: %s", a.Status, e.Message)}
	switch {
	case a.Status == http.StatusUnauthorized:
		return livyFault(fault.Unauthorized, "LoginRefused", "the user, password or token is wrong, or has expired",
			"give others; run: zaffre compute update NAME --user USER --password-file FILE, or: zaffre compute update NAME --bearer-token-file FILE", words)
	case a.Status == http.StatusForbidden:
		return livyFault(fault.Denied, "PermissionMissing", "the user may not do this", "have whoever runs the endpoint allow it, or give another user", words)
	case a.Status == http.StatusServiceUnavailable, a.Status >= http.StatusInternalServerError:
		return livyFault(fault.Unavailable, "ServiceFailed", fmt.Sprintf("it failed (%d)", a.Status), "nothing: it is tried again; if it stays so, look into the endpoint's log", words)
	case !isLivy:
		return c.notLivy(a.Status)
	case a.Status == http.StatusNotFound:
		return livyFault(fault.NotFound, "BatchNotFound", "it is not there", "submit the run again; run: zaffre run submit --help", words)
	case strings.Contains(e.Message, "cannot be added to user sessions"):
		return livyFault(fault.Precondition, "FolderNotAllowed", "it reads no files from there: "+e.Message,
			"add the folder to livy.file.local-dir-whitelist in the endpoint's livy.conf, or detach and attach with another --folder", words)
	}
	return livyFault(fault.Invalid, "RequestRefused", "it refuses the request: "+e.Message, "correct what it names; run: zaffre compute kinds synapse", words)
}

func livyFault(code fault.Code, reason, why, fix string, words []string) error {
	return &fault.Error{Code: code, Reason: reason, What: "the Livy endpoint refused", Why: why, Fix: fix, Evidence: words}
}

func (c *conn) notLivy(status int) error {
	return &fault.Error{
		Code: fault.Precondition, Reason: "NotLivy", What: "the Livy endpoint cannot be used",
		Why: fmt.Sprintf("what answers at %s (%d) is no Livy", c.rest.Base, status), Fix: "correct the URL; run: zaffre compute update NAME --livy URL",
	}
}

func missing(err error) bool { return fault.CodeOf(err) == fault.NotFound }
