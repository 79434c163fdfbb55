package history

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/api/v1/face"
	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// stdLog is the name under which the SDK looks for the log of a run. That of a later attempt has another one: the
// SDK goes on at the line where it was in the log before. No name has a digit, which would be that of a node.
func stdLog(attempt int) string {
	return "user_logs/std_log" + strings.Repeat("_again", attempt-1) + ".txt"
}

// localLogs begin the names of files that a run on the client's own machine leaves as its logs.
const localLogs = "azureml-logs/"

func (a *api) details(r *face.Request) (any, error) {
	v, err := a.find(r)
	if err != nil {
		return nil, err
	}
	out, err := a.common(r, v, a.tail.poll(v))
	if err != nil {
		return nil, err
	}
	logs, err := a.logs(r, v)
	if err != nil {
		return nil, err
	}
	all := dto{"services": dto{}, "inputDatasets": []any{}, "outputDatasets": []any{}, "runDefinition": dto{}, "submittedBy": v.Owner()}
	maps.Copy(all, out)
	all["logFiles"] = logs
	if d := definition(v); d != nil {
		all["runDefinition"] = d
	}
	return all, nil
}

// definition is the run's configuration, as its client sent it.
func definition(v run.Run) json.RawMessage {
	var in struct{ Configuration json.RawMessage }
	if len(v.Definition) == 0 || json.Unmarshal(v.Definition, &in) != nil {
		return nil
	}
	if len(in.Configuration) > 0 {
		return in.Configuration
	}
	return json.RawMessage(v.Definition)
}

// logs returns the addresses of what the SDK prints. What a run keeps as its files it asks for by itself, but
// for the logs of local runs.
func (a *api) logs(r *face.Request, v run.Run) (map[string]string, error) {
	out := map[string]string{}
	if v.Origin == run.Managed {
		for i := range v.Status.Attempts {
			if last := len(v.Status.Attempts); a.LogURL != nil && i+1 == last {
				out[stdLog(last)] = a.LogURL(r, v.Name, last)
			} else if a.LogURL != nil {
				out[fmt.Sprintf("%s%02d_attempt.txt", localLogs, i+1)] = a.LogURL(r, v.Name, i+1)
			}
		}
		return out, nil
	}
	if !logged(v) || a.ReadURL == nil {
		return out, nil
	}
	list, _, err := a.Runs.ListArtifacts(r.Context(), v.Key(), localLogs, store.Page{Limit: 100})
	for _, f := range list {
		out[f.Path] = a.ReadURL(r, v.Name, f.Path)
	}
	return out, err
}
