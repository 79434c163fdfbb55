package server_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/relay"
)

// post is a run that goes on, and its relay's way to the server.
type post struct {
	*box
	run            string
	token, v1, job string
}

func openPost(t *testing.T) *post {
	t.Helper()
	b := start(t)
	b.attach(t, "fake", nil)
	r, err := b.Submit(t.Context(), "default", client.RunRequest{Name: "r", Compute: "fake", Command: []string{"hang"}})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool {
		r, err = b.Run(t.Context(), "default", r.ID)
		return err == nil && r.State == "Running"
	})
	p := &post{box: b, run: r.ID, job: "z-job-1"}
	_, text := b.do(t, "GET", "/api/v1/workspaces/default/client-config", nil)
	var c struct {
		Subscription string `json:"subscription_id"`
		Group        string `json:"resource_group"`
	}
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	p.v1 = "/subscriptions/" + c.Subscription + "/resourceGroups/" + c.Group + "/providers/Microsoft.MachineLearningServices/workspaces/default"
	_, text = b.do(t, "GET", "/history/v1.0"+p.v1+"/experiments/Default/runs/"+p.run+"/token", nil)
	var out struct{ Token string }
	if err := json.Unmarshal([]byte(text), &out); err != nil || out.Token == "" {
		t.Fatalf("%v: %s", err, text)
	}
	p.token = out.Token
	return p
}

// send sends a write as a relay does; sequence 0: one that is known by none.
func (p *post) send(t *testing.T, path, body, lane string, attempt, sequence int) (status int, reason, answer string) {
	t.Helper()
	return p.sendBy(t, "POST", path, body, lane, attempt, sequence)
}

func (p *post) sendBy(t *testing.T, method, path, body, lane string, attempt, sequence int) (status int, reason, answer string) {
	t.Helper()
	header := []string{"Authorization", "Bearer " + p.token, "Content-Type", "application/json", relay.Job, p.job, relay.Attempt, fmt.Sprint(attempt)}
	if sequence > 0 {
		header = append(header, relay.Lane, lane, relay.Sequence, fmt.Sprint(sequence))
	}
	resp, text := p.do(t, method, path, strings.NewReader(body), header...)
	if w, ok := relay.Find(method, path); ok && resp.StatusCode == 200 && !strings.HasPrefix(resp.Header.Get("Content-Type"), w.Type) {
		t.Errorf("%s is answered with %s", path, resp.Header.Get("Content-Type"))
	}
	return resp.StatusCode, resp.Header.Get(relay.Reason), strings.TrimSpace(text)
}

// TestRelayAnswers: each write that a relay answers by itself is answered alike by the server, wherever it has its path.
func TestRelayAnswers(t *testing.T) {
	t.Parallel()
	p := openPost(t)
	id := `"run_id":"` + p.run + `"`
	now := fmt.Sprint(time.Now().UnixMilli())
	event := `{"name":"Microsoft.MachineLearning.Run.Warning","timestamp":"2026-01-02T03:04:05Z","data":{"RunId":"` + p.run + `","Source":"s","Message":"m"}}`
	mlflow := []string{"/api/2.0/mlflow/runs/", "/workspaces/default/api/2.0/mlflow/runs/", "/mlflow/v1.0" + p.v1 + "/api/2.0/mlflow/runs/", "/ajax-api/2.0/preview/mlflow/runs/"}
	under := func(verb string) (paths []string) {
		for _, m := range mlflow {
			paths = append(paths, m+verb)
		}
		return paths
	}
	samples := []struct {
		paths []string
		body  string
	}{
		{under("log-metric"), `{` + id + `,"key":"a","value":1,"timestamp":` + now + `,"step":1}`},
		{under("log-batch"), `{` + id + `,"metrics":[{"key":"a","value":2,"timestamp":` + now + `,"step":2}],"params":[{"key":"p","value":"1"}],"tags":[{"key":"t","value":"1"}]}`},
		{under("log-parameter"), `{` + id + `,"key":"q","value":"1"}`},
		{under("set-tag"), `{` + id + `,"key":"u","value":"1"}`},
		{under("log-inputs"), `{` + id + `,"datasets":[{"dataset":{"name":"d","digest":"1","source_type":"local","source":"{}"}}]}`},
		{under("outputs"), `{` + id + `,"models":[{"model_id":"m-1","step":1}]}`},
		{[]string{"/metric/v2.0" + p.v1 + "/runs/" + p.run + "/batch"}, `{"values":[{"name":"b","columns":{"b":"Double"},"value":[{"metricId":"1","createdUtc":"2026-01-02T03:04:05Z","step":1,"data":{"b":0.5}}],"properties":{"uxMetricType":"azureml.v1.scalar"}}],"reportErrors":true}`},
		{[]string{"/history/v1.0" + p.v1 + "/experiments/Default/runs/" + p.run + "/events", "/history/v1.0" + p.v1 + "/experimentids/0/runs/" + p.run + "/events"}, event},
		{[]string{"/history/v1.0" + p.v1 + "/experiments/Default/batch/events"}, `{"events":[` + event + `]}`},
		{[]string{"/history/v1.0" + p.v1 + "/experiments/Default/runs/" + p.run + "/metricsingest/wait", "/history/v1.0" + p.v1 + "/experimentids/0/runs/" + p.run + "/metricsingest/wait"}, ""},
	}
	var tried []string
	for i, s := range samples {
		for j, path := range s.paths {
			method := "POST"
			if s.body == "" {
				method = "GET"
			}
			w, ok := relay.Find(method, path)
			if !ok {
				t.Errorf("%s is not on the list", path)
				continue
			}
			tried = append(tried, w.Name)
			for range 2 {
				if status, reason, got := p.sendBy(t, method, path, s.body, "0", 1, 10*i+j+1); status != 200 || got != w.Answer {
					t.Errorf("%s: %d %s %s, want %s", path, status, reason, got, w.Answer)
				}
			}
		}
	}
	for _, w := range relay.Writes() {
		if !slices.Contains(tried, w.Name) {
			t.Errorf("nobody tried %q", w.Name)
		}
	}
	for _, path := range []string{
		"/api/2.0/mlflow/runs/create", "/api/2.0/mlflow/runs/update", "/api/2.0/mlflow/runs/delete-tag", "/metadata/api/2.0/mlflow/runs/set-tag",
		"/history/v1.0" + p.v1 + "/experiments/Default/runs/" + p.run, "/api/2.0/mlflow/runs/set-tag/more", "/zblob/api/2.0/mlflow/runs/set-tag",
	} {
		if w, ok := relay.Find("POST", path); ok {
			t.Errorf("%s is on the list, as %s", path, w.Name)
		}
	}
}

// TestRelayedWritesCountOnce: what comes again changes nothing, even if it says something else; and no attempt but the
// run's own writes.
func TestRelayedWritesCountOnce(t *testing.T) {
	t.Parallel()
	p := openPost(t)
	const set = "/api/2.0/mlflow/runs/set-tag"
	tag := func(value string) string { return `{"run_id":"` + p.run + `","key":"k","value":"` + value + `"}` }
	want := func(value string) {
		t.Helper()
		r, err := p.Run(t.Context(), "default", p.run)
		if err != nil || r.Tags["k"] != value {
			t.Errorf("the tag is %q, %v; want %q", r.Tags["k"], err, value)
		}
	}
	for _, s := range []struct {
		value    string
		lane     string
		sequence int
		want     string
	}{{"a", "0", 5, "a"}, {"b", "0", 5, "a"}, {"c", "0", 4, "a"}, {"d", "1", 1, "d"}, {"e", "0", 6, "e"}, {"f", "", 0, "f"}, {"g", "", 0, "g"}} {
		if status, reason, text := p.send(t, set, tag(s.value), s.lane, 1, s.sequence); status != 200 {
			t.Errorf("%+v: %d %s %s", s, status, reason, text)
		}
		want(s.want)
	}
	batch := func(value string, step int) string {
		return fmt.Sprintf(`{"run_id":"%s","metrics":[{"key":"m","value":%d,"timestamp":%d,"step":%d}],"params":[{"key":"p","value":"1"}],"tags":[{"key":"k","value":"%s"}]}`, p.run, step, 1000+step, step, value)
	}
	for step := range 3 {
		p.send(t, "/api/2.0/mlflow/runs/log-batch", batch("h", step), "2", 1, 1)
	}
	if list, err := p.Metrics(t.Context(), "default", p.run); err != nil || len(list) != 1 || list[0].Points != 1 {
		t.Errorf("metrics are %+v, %v", list, err)
	}
	want("h")
	if status, _, text := p.send(t, set, tag("x"), "0", 0, 7); status != 400 || !strings.Contains(text, "OriginInvalid") {
		t.Errorf("attempt 0: %d %s", status, text)
	}
	admin := *p
	admin.token = p.profile.Token
	if status, reason, text := admin.send(t, set, tag("x"), "0", 1, 8); status != 400 || reason != "OriginInvalid" {
		t.Errorf("somebody else's token: %d %s", status, text)
	}
	want("h")
	if _, err := p.CancelRun(t.Context(), "default", p.run); err != nil {
		t.Fatal(err)
	}
	p.finish(t, p.run)
	for sequence := range 2 {
		if status, reason, text := p.send(t, set, tag("x"), "0", 1, 9*sequence); status != 400 || reason != "Fenced" {
			t.Errorf("after the run's end: %d %s %s", status, reason, text)
		}
	}
	want("h")
}

// TestFencedByTheNextAttempt: a run is tried again, and what its first attempt still sends is refused.
func TestFencedByTheNextAttempt(t *testing.T) {
	t.Parallel()
	p := openPost(t)
	p.attach(t, "other", nil)
	r, err := p.Submit(t.Context(), "default", client.RunRequest{Name: "again", Compute: "other", Command: []string{"hang"}, Retries: 1})
	if err != nil {
		t.Fatal(err)
	}
	attempt := func(n int) {
		eventually(t, func() bool {
			now, err := p.Run(t.Context(), "default", r.ID)
			return err == nil && now.State == "Running" && len(now.Attempts) == n
		})
	}
	attempt(1)
	p.run = r.ID
	_, text := p.do(t, "GET", "/history/v1.0"+p.v1+"/experiments/Default/runs/"+p.run+"/token", nil)
	var out struct{ Token string }
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	p.token = out.Token
	const logMetric = "/api/2.0/mlflow/runs/log-metric"
	point := func(step int) string {
		return fmt.Sprintf(`{"run_id":"%s","key":"m","value":1,"timestamp":%d,"step":%d}`, p.run, 1000+step, step)
	}
	if status, reason, text := p.send(t, logMetric, point(1), "0", 1, 1); status != 200 {
		t.Fatalf("%d %s %s", status, reason, text)
	}
	p.world.Finish("z-"+r.UID+"-1", 3)
	attempt(2)
	for sequence := range 3 {
		if status, reason, _ := p.send(t, logMetric, point(2), "0", 1, sequence); status != 400 || reason != "Fenced" {
			t.Errorf("the first attempt's write is answered with %d %s", status, reason)
		}
	}
	if status, reason, _ := p.send(t, logMetric, point(3), "0", 2, 1); status != 200 {
		t.Errorf("the second attempt's: %d %s", status, reason)
	}
	var steps []int64
	for point, err := range p.Series(t.Context(), "default", p.run, "m", 0) {
		if err != nil {
			t.Fatal(err)
		}
		steps = append(steps, point.Step)
	}
	if !slices.Equal(steps, []int64{1, 3}) {
		t.Errorf("steps %v, want those of the attempts that were the run's", steps)
	}
}
