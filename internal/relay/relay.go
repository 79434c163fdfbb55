// Package relay is what a run's relay and the server agree on: which writes of a run can wait on its machine
// while the server is away, and how each of them is named when it arrives.
package relay

import (
	"cmp"
	"regexp"
)

// The headers by which a relay says where a request comes from. They count only beside the token of the run.
const (
	Job      = "X-Zaffre-Job"      // the job's ID
	Attempt  = "X-Zaffre-Attempt"  // of the run, from 1: a lower one than the run's is refused, Reason "Fenced"
	Lane     = "X-Zaffre-Lane"     // writes of one lane are sent one after the other
	Sequence = "X-Zaffre-Sequence" // of the write in its lane; it only grows
	Reason   = "X-Zaffre-Reason"   // of a fault, in the answer to such a request
)

// Write is a kind of write whose answer is known before the server has given it. One is a question that has the same answer
// always, of a client that waits for what it wrote.
type Write struct {
	Name   string // for people: "metrics of MLflow, many at once"
	Method string
	Path   string // a regular expression
	Type   string // of the answer
	Answer string
	Ahead  bool // its client sends the next one before this one is answered: only the relay knows their order
	path   *regexp.Regexp
}

const (
	v1     = `/+subscriptions/+[^/]+/+resourceGroups/+[^/]+/+providers/+Microsoft\.MachineLearningServices/+workspaces/+[^/]+`
	mlflow = `^(/workspaces/[^/]+|/mlflow/v[12]\.0` + v1 + `)?/(api|ajax-api)/2\.0/(preview/)?mlflow/runs/`
	ofRun  = `/(experiments|experimentids)/[^/]+/runs/[^/]+`
)

var writes = list(
	Write{Name: "metric (MLflow)", Path: mlflow + `log-metric`, Answer: `{}`},
	Write{Name: "metrics, parameters and tags, many at once (MLflow)", Path: mlflow + `log-batch`, Answer: `{}`},
	Write{Name: "parameter (MLflow)", Path: mlflow + `log-parameter`, Answer: `{}`},
	Write{Name: "tag (MLflow)", Path: mlflow + `set-tag`, Answer: `{}`},
	Write{Name: "data sets and models that were read (MLflow)", Path: mlflow + `log-inputs`, Answer: `{}`},
	Write{Name: "models that were written (MLflow)", Path: mlflow + `outputs`, Answer: `{}`},
	Write{Name: "metrics (azureml-core)", Path: `^/+metric/+v2\.0` + v1 + `/runs/[^/]+/batch`, Answer: `{"errors":[]}`, Ahead: true},
	Write{Name: "question whether metrics are written (azureml-core)", Method: "GET", Path: `^/+history/+v1\.0` + v1 + ofRun + `/metricsingest/wait`, Answer: `{}`},
	Write{Name: "event: started, ended, a warning (azureml-core)", Path: `^/+history/+v1\.0` + v1 + ofRun + `/events`, Answer: `{}`},
	Write{Name: "events of several runs (azureml-core)", Path: `^/+history/+v1\.0` + v1 + `/experiments/[^/]+/batch/events`, Answer: `{"errors":[]}`},
)

func list(all ...Write) []Write {
	for i := range all {
		w := &all[i]
		w.Method, w.Type = cmp.Or(w.Method, "POST"), "application/json"
		w.path = regexp.MustCompile(`(?i)` + w.Path + `$`)
	}
	return all
}

// Writes returns all kinds. All else has an answer that only the server knows.
func Writes() []Write { return append([]Write(nil), writes...) }

// Find returns which kind a request is. A path that a client escaped is none.
func Find(method, path string) (Write, bool) {
	for _, w := range writes {
		if w.Method == method && w.path.MatchString(path) {
			return w, true
		}
	}
	return Write{}, false
}

var ordered = regexp.MustCompile(`(?i)/(api|ajax-api)/[23]\.0/(preview/)?mlflow/|^/+(history|metric)/`)

// Follows reports whether a request may depend on the writes before it: it asks about runs, or changes them.
func Follows(path string) bool { return ordered.MatchString(path) }
