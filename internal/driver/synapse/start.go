package synapse

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/launchx"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/restx"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

const handleVersion = 1

// handle is what a Handle of version 1 holds.
type handle struct {
	Batch int64   `json:"batch"` // -1: it ran, and the endpoint has forgotten its number
	Job   string  `json:"job"`
	Jar   bool    `json:"jar,omitzero"`
	Grace float64 `json:"grace"` // seconds
}

func handleOf(h handle) (driver.Handle, error) {
	b, err := json.Marshal(h)
	return driver.Handle{Version: handleVersion, Data: b}, err
}

func refOf(h driver.Handle) (handle, error) {
	var v handle
	err := json.Unmarshal(h.Data, &v)
	if err != nil || h.Version != handleVersion || v.Job == "" {
		return v, &fault.Error{
			Code: fault.Invalid, Reason: "HandleUnknown", What: "the job cannot be found on its target",
			Why: "its handle has version " + strconv.Itoa(h.Version) + ", which this server cannot read",
			Fix: "run the server that wrote it, or a newer one", Err: err,
		}
	}
	return v, nil
}

// grace is a job's that says none.
const grace = 10 * time.Second

// Start implements driver.Runner. That it starts once stands on the batch's name, which is the job's ID: Livy has each
// once, and our folder knows what ran after Livy has forgotten it.
func (c *conn) Start(ctx context.Context, job driver.Job) (driver.Handle, error) {
	if err := refuse(job.Options, submitOnly(), "is not Livy's"); err != nil {
		return driver.Handle{}, err
	}
	job = job.WithoutServer()
	body, err := c.body(job)
	if err != nil {
		return driver.Handle{}, err
	}
	if err := c.ours.Fence(ctx, job); err != nil {
		return driver.Handle{}, err
	}
	ref := handle{Job: job.ID, Jar: body["className"] != nil, Grace: grace.Seconds()}
	if job.Grace > 0 {
		ref.Grace = job.Grace.Seconds()
	}
	if ref.Batch, err = c.started(ctx, job.ID); missing(err) {
		ref.Batch, err = c.submit(ctx, job, ref.Jar, body)
	}
	if err != nil {
		return driver.Handle{}, err
	}
	if err := c.ours.PutJSON(ctx, numberName(job.ID), ref.Batch); err != nil {
		return driver.Handle{}, err
	}
	return handleOf(ref)
}

// numberName is where the number of a job's batch is kept.
func numberName(job string) string { return path.Join(launchx.JobFolder(job), "batch") }

// started returns the number of the batch that the job has already, or fault.NotFound.
func (c *conn) started(ctx context.Context, job string) (number int64, err error) {
	if err = c.ours.ReadJSON(ctx, numberName(job), &number); !missing(err) {
		return number, err
	}
	if number, err = c.find(ctx, job); !missing(err) {
		return number, err
	}
	j, lookErr := c.ours.Look(ctx, job)
	if lookErr != nil {
		return 0, lookErr
	}
	if !j.Began.IsZero() {
		return -1, nil
	}
	return 0, err
}

func (c *conn) submit(ctx context.Context, job driver.Job, jar bool, body map[string]any) (int64, error) {
	prepare := c.ours.Prepare
	if jar {
		prepare = c.ours.Claim
	}
	if err := prepare(ctx, job); err != nil {
		return 0, err
	}
	var b batch
	err := c.ask(ctx, restx.Call{Method: http.MethodPost, Path: "/batches", JSON: body, Once: true}, &b)
	if fault.ReasonOf(err) == "RequestRefused" && strings.Contains(err.Error(), "Duplicate session name") {
		return c.find(ctx, job.ID) // somebody else was faster
	}
	return b.ID, err
}

// body is the batch of a job, or why it cannot be one.
func (c *conn) body(job driver.Job) (map[string]any, error) {
	class := driver.Text(job.Options[jobClass])
	switch {
	case c.rest == nil:
		return nil, addressUnknown()
	case c.ours == nil:
		return nil, folderNone()
	case job.Memory > 0:
		return nil, cannot("a limit of memory is Spark's own setting", "leave out --memory, and give --option driverMemory=2g --option executorMemory=2g", "memory")
	}
	if err := launchx.CheckVariables(job.Env); err != nil {
		return nil, err
	}
	b := map[string]any{"name": job.ID}
	if class != "" {
		b["className"], b["file"], b["args"] = class, job.Command[0], job.Command[1:]
		if err := c.checkJar(job); err != nil {
			return nil, err
		}
	} else {
		b["file"] = c.there.JoinPath(launchx.Launcher()).String()
		b["args"] = []string{c.seenAs(launchx.JobFolder(job.ID))}
	}
	engineOptions(b, job.Options)
	return b, nil
}

// engineOptions adds what a run or a session says to Spark, which Livy takes by the same names.
func engineOptions(b, options map[string]any) {
	for _, o := range []string{jobJars, jobPyFiles, jobFiles, jobArchives} {
		if list := driver.Texts(options[o]); len(list) > 0 {
			b[o] = list
		}
	}
	if conf, ok := options[jobConf].(map[string]any); ok {
		b[jobConf] = words(conf)
	}
	for _, o := range amounts() {
		if v := options[o.Path]; v != nil {
			b[o.Path] = v
		}
	}
}

// seenAs is where the launcher finds something of ours: a path, or a URL.
func (c *conn) seenAs(name string) string {
	u := c.there.JoinPath(name)
	if c.readsOnly() {
		return u.String()
	}
	return u.Path
}

// words are settings of Spark: it has only strings.
func words(m map[string]any) map[string]string {
	out := map[string]string{}
	for k, v := range m {
		out[k] = fmt.Sprint(v)
	}
	return out
}

// checkJar refuses what only the launcher does.
func (c *conn) checkJar(job driver.Job) error {
	for k := range job.Env {
		if !strings.HasPrefix(k, "ZAFFRE_") {
			return cannot("a JAR takes no variables: it runs in the pool's own process", "leave them out, or give them as settings: --option conf='{\"spark.NAME\": \"VALUE\"}'", "variables")
		}
	}
	if job.Timeout > 0 {
		return cannot("nobody ends a JAR after a time: Livy does not", "leave out --timeout", "timeout")
	}
	return nil
}

func folderNone() error {
	return &fault.Error{
		Code: fault.Precondition, Reason: "FolderNone", What: "the job is not started", Why: "the target has no folder that the pool sees, by which code goes there",
		Fix: "add it to the inventory; run: zaffre inventory add RESOURCE-ID store=FOLDER; or attach anew with one; run: zaffre compute attach synapse NAME --folder FOLDER …", Field: "options." + optFolder,
	}
}

// cannot says what a run asks for that a pool does not do.
func cannot(why, fix, field string) error {
	return &fault.Error{
		Code: fault.Unsupported, Reason: "TaskUnsupported", What: "the job is not started", Why: why, Fix: fix, Field: field,
	}
}
