package mlflow

// pair is a tag or a parameter.
type pair struct {
	Key   string  `json:"key"`
	Value *string `json:"value,omitempty"`
}

func (p pair) value() string {
	if p.Value == nil {
		return ""
	}
	return *p.Value
}

type wireMetric struct {
	Key       string `json:"key"`
	Value     double `json:"value"`
	Timestamp int64  `json:"timestamp"`
	Step      int64  `json:"step"`
	ModelID   string `json:"model_id,omitempty"`
	RunID     string `json:"run_id,omitempty"`
}

type wireRun struct {
	Info    wireInfo  `json:"info"`
	Data    wireData  `json:"data"`
	Inputs  *wireIn   `json:"inputs,omitempty"`
	Outputs *wireOuts `json:"outputs,omitempty"`
}

type wireInfo struct {
	RunUUID    string `json:"run_uuid"`
	RunID      string `json:"run_id"`
	Name       string `json:"run_name"`
	Experiment string `json:"experiment_id"`
	User       string `json:"user_id"`
	Status     string `json:"status"`
	Start      int64  `json:"start_time,omitempty"`
	End        int64  `json:"end_time,omitempty"`
	Artifacts  string `json:"artifact_uri"`
	Stage      string `json:"lifecycle_stage"`
}

type wireData struct {
	Metrics []wireMetric `json:"metrics,omitempty"`
	Params  []pair       `json:"params,omitempty"`
	Tags    []pair       `json:"tags,omitempty"`
}

type wireExperiment struct {
	ID        string `json:"experiment_id"`
	Name      string `json:"name"`
	Artifacts string `json:"artifact_location"`
	Stage     string `json:"lifecycle_stage"`
	Updated   int64  `json:"last_update_time"`
	Created   int64  `json:"creation_time"`
	Tags      []pair `json:"tags,omitempty"`
}

type wireFile struct {
	Path string `json:"path"`
	Dir  bool   `json:"is_dir"`
	Size *int64 `json:"file_size,omitempty"`
}

type wireFiles struct {
	Root  string     `json:"root_uri,omitempty"`
	Files []wireFile `json:"files"`
	Next  string     `json:"next_page_token,omitempty"`
}

// Lifecycle stages of runs and experiments.
const (
	active  = "active"
	deleted = "deleted"
)
