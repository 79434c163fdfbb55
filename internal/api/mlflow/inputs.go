package mlflow

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// Data sets and models that a run read or made are properties of the run, which zaffre keeps and does not
// look into: one property for each, named by what it says, so that the same twice is once.
const (
	dataProperty  = "mlflow.input.data."
	readProperty  = "mlflow.input.model."
	wroteProperty = "mlflow.output.model."
)

type dataInput struct {
	Tags []pair `json:"tags,omitempty"`
	Data *data  `json:"dataset,omitempty"`
}

type data struct {
	Name       string `json:"name"`
	Digest     string `json:"digest"`
	SourceType string `json:"source_type,omitempty"`
	Source     string `json:"source,omitempty"`
	Schema     string `json:"schema,omitempty"`
	Profile    string `json:"profile,omitempty"`
}

type modelRef struct {
	ID   string   `json:"model_id"`
	Step *integer `json:"step,omitempty"`
}

type wireIn struct {
	Data   []dataInput `json:"dataset_inputs,omitempty"`
	Models []modelRef  `json:"model_inputs,omitempty"`
}

type wireOuts struct {
	Models []modelRef `json:"model_outputs,omitempty"`
}

func inputsOf(properties map[string]string) (*wireIn, *wireOuts) {
	in, out := &wireIn{}, &wireOuts{}
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		switch text := properties[name]; {
		case strings.HasPrefix(name, dataProperty):
			var d dataInput
			if json.Unmarshal([]byte(text), &d) == nil {
				in.Data = append(in.Data, d)
			}
		case strings.HasPrefix(name, readProperty):
			in.Models = append(in.Models, modelRef{ID: text})
		case strings.HasPrefix(name, wroteProperty):
			step, _ := strconv.ParseInt(text, 10, 64) // we wrote it
			out.Models = append(out.Models, modelRef{strings.TrimPrefix(name, wroteProperty), new(integer(step))})
		}
	}
	if len(out.Models) == 0 {
		out = nil
	}
	return in, out
}

func (d dataInput) check() error {
	switch {
	case d.Data == nil:
		return missing("datasets.dataset")
	case d.Data.Name == "":
		return missing("datasets.dataset.name")
	case d.Data.Digest == "":
		return missing("datasets.dataset.digest")
	}
	for _, l := range []struct {
		field, value string
		limit        int
	}{
		{"name", d.Data.Name, maxDataset},
		{"digest", d.Data.Digest, maxDigest},
		{"source", d.Data.Source, maxSource},
		{"schema", d.Data.Schema, maxSchema},
		{"profile", d.Data.Profile, maxSchema},
	} {
		if len(l.value) > l.limit {
			return tooLong("datasets.dataset."+l.field, l.limit)
		}
	}
	return nil
}

func (a *api) logInputs(c call) (any, error) {
	in, err := decode[struct {
		runID
		Data   []dataInput `json:"datasets"`
		Models []modelRef  `json:"models"`
	}](c.Request)
	if err != nil {
		return nil, err
	}
	id, err := in.check()
	if err != nil {
		return nil, err
	}
	if err := checkBatch("datasets and models", maxInputs, len(in.Data)+len(in.Models)); err != nil {
		return nil, err
	}
	set := map[string]string{}
	for _, d := range in.Data {
		if err := d.check(); err != nil {
			return nil, err
		}
		raw, err := json.Marshal(d)
		if err != nil {
			return nil, err
		}
		h := sha256.Sum256([]byte(d.Data.Name + "\x00" + d.Data.Digest))
		set[dataProperty+hex.EncodeToString(h[:16])] = string(raw)
	}
	for _, m := range in.Models {
		set[readProperty+m.ID] = m.ID
	}
	_, err = a.Runs.KeepProperties(c.Context(), a.key(c, id), set)
	return nil, err
}

func (a *api) logOutputs(c call) (any, error) {
	in, err := decode[struct {
		runID
		Models []modelRef `json:"models"`
	}](c.Request)
	if err != nil {
		return nil, err
	}
	id, err := in.check()
	if err != nil {
		return nil, err
	}
	set := map[string]string{}
	for _, m := range in.Models {
		step := int64(0)
		if m.Step != nil {
			step = int64(*m.Step)
		}
		set[wroteProperty+m.ID] = strconv.FormatInt(step, 10)
	}
	_, err = a.Runs.KeepProperties(c.Context(), a.key(c, id), set)
	return nil, err
}

type dataSummary struct {
	Experiment string `json:"experiment_id"`
	Name       string `json:"name"`
	Digest     string `json:"digest"`
	Context    string `json:"context,omitempty"`
}

// mostSummaries is how many MLflow's server answers.
const mostSummaries = 1000

func (a *api) searchDatasets(c call) (any, error) {
	in, err := decode[struct {
		Experiments []string `json:"experiment_ids"`
	}](c.Request)
	if err != nil {
		return nil, err
	}
	if len(in.Experiments) == 0 {
		return nil, missing("experiment_ids")
	}
	if len(in.Experiments) > 20 {
		return nil, invalid("experiment_ids", strconv.Itoa(len(in.Experiments))+" experiments", "It must be at most 20")
	}
	out := struct {
		Summaries []dataSummary `json:"dataset_summaries,omitempty"`
	}{}
	names, err := a.namesOf(c, in.Experiments)
	if err != nil || len(names) == 0 {
		return out, err
	}
	seen := map[dataSummary]bool{}
	p := store.Page{Limit: 1000}
	for {
		list, next, err := a.Runs.List(c.Context(), run.Filter{Workspace: c.ws, Experiments: names}, p)
		if err != nil {
			return nil, err
		}
		for _, r := range list {
			id, err := a.experimentIDOf(c.Context(), c.ws, r.Experiment)
			if err != nil {
				return nil, err
			}
			inputs, _ := inputsOf(r.Properties)
			for _, d := range inputs.Data {
				s := dataSummary{Experiment: id, Name: d.Data.Name, Digest: d.Data.Digest, Context: contextOf(d.Tags)}
				if !seen[s] && len(out.Summaries) < mostSummaries {
					seen[s] = true
					out.Summaries = append(out.Summaries, s)
				}
			}
		}
		if next == "" || len(out.Summaries) == mostSummaries {
			return out, nil
		}
		p.Cursor = next
	}
}

func contextOf(tags []pair) string {
	for _, t := range tags {
		if t.Key == "mlflow.data.context" {
			return t.value()
		}
	}
	return ""
}
