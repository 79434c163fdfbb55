package execution

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/api/v1/envwire"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/run"
)

// definition is what a client asks to be run.
type definition struct {
	Configuration json.RawMessage
	SnapshotID    string `json:"SnapshotId"`
	ParentRunID   string `json:"ParentRunId"`
}

// config is a run configuration. What it does not name is of no meaning here: see Fields.
type config struct {
	Target      string            `json:"target"`
	Script      string            `json:"script"`
	Arguments   []any             `json:"arguments"`
	Command     json.RawMessage   `json:"command"`
	Framework   string            `json:"framework"`
	Comm        string            `json:"communicator"`
	Nodes       int               `json:"nodeCount"`
	MaxSeconds  json.Number       `json:"maxRunDurationSeconds"`
	Priority    *int              `json:"priority"`
	Environment json.RawMessage   `json:"environment"`
	Variables   map[string]string `json:"environmentVariables"`
	Passthrough bool              `json:"credentialPassthrough"`
	Docker      struct {
		Use       bool     `json:"useDocker"`
		Shared    *bool    `json:"sharedVolumes"`
		Shm       string   `json:"shmSize"`
		Arguments []string `json:"arguments"`
	} `json:"docker"`
	MPI struct {
		Processes int `json:"processCountPerNode"`
		Nodes     int `json:"nodeCount"`
	} `json:"mpi"`
	PyTorch struct {
		Processes int `json:"processCount"`
		Nodes     int `json:"nodeCount"`
	} `json:"pytorch"`
	TensorFlow struct {
		Workers int `json:"workerCount"`
		Servers int `json:"parameterServerCount"`
	} `json:"tensorflow"`
	Parallel struct {
		Workers int `json:"workerCountPerNode"`
		Retries int `json:"maxRetriesPerWorker"`
	} `json:"paralleltask"`
	History struct {
		Outputs  *bool    `json:"outputCollection"`
		Snapshot *bool    `json:"snapshotProject"`
		Watch    []string `json:"directoriesToWatch"`
	} `json:"history"`
	Spark struct {
		Configuration map[string]json.RawMessage `json:"configuration"`
	} `json:"spark"`
	HDI struct {
		Mode string `json:"yarnDeployMode"`
	} `json:"hdi"`
	Cluster        map[string]json.RawMessage `json:"amlcompute"`
	AutoCluster    map[string]json.RawMessage `json:"autoClusterComputeSpecification"`
	Kubernetes     map[string]json.RawMessage `json:"kubernetescompute"`
	Data           map[string]json.RawMessage `json:"data"`
	OutputData     map[string]json.RawMessage `json:"outputData"`
	DataReferences map[string]json.RawMessage `json:"dataReferences"`
	DataCaches     []json.RawMessage          `json:"datacaches"`
	CodeStore      string                     `json:"sourceDirectoryDataStore"`
	Services       map[string]json.RawMessage `json:"applicationEndpoints"`
}

// words returns the command.
func (c config) words() ([]string, error) {
	if text, err := commandText(c.Command); err != nil || text != "" {
		return []string{"bash", "-c", text}, err
	}
	if c.Script == "" {
		return nil, badConfig("it names neither a script nor a command", "script")
	}
	words := []string{"python", strings.ReplaceAll(c.Script, `\`, "/")}
	for i, a := range c.Arguments {
		switch a := a.(type) {
		case string:
			words = append(words, a)
		case json.Number:
			words = append(words, a.String())
		case bool: // as str() of Python has it
			words = append(words, strings.ToUpper(strconv.FormatBool(a)[:1])+strconv.FormatBool(a)[1:])
		case nil:
			words = append(words, "None")
		default:
			return nil, badConfig(fmt.Sprintf("argument %d is neither text nor a number", i+1), "arguments")
		}
	}
	return words, nil
}

// commandText reads a command, which is one text or a list of them.
func commandText(raw json.RawMessage) (string, error) {
	var one string
	if len(raw) == 0 || string(raw) == "null" || json.Unmarshal(raw, &one) == nil {
		return strings.TrimSpace(one), nil
	}
	var list []string
	if err := json.Unmarshal(raw, &list); err != nil {
		return "", badConfig("the command is neither a text nor a list of texts", "command")
	}
	return strings.TrimSpace(strings.Join(list, " ")), nil
}

func badConfig(why, field string) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "RunConfigInvalid", What: "the run cannot be executed as it is", Why: why,
		Fix: "correct the ScriptRunConfig, and submit it again", Field: field,
	}
}

// plan is what a definition means.
type plan struct {
	config
	spec     run.Spec // without its environment and code
	env      envwire.Wire
	made     driver.Definition
	named    bool // the environment is a reference alone
	warnings []string
	document []byte // the configuration as it is kept
}

// read takes a definition apart. Numbers stay as they were written. abilityOf returns what the named target can be told.
func read(d definition, abilityOf func(target string) (ability, error)) (p plan, err error) {
	dec := json.NewDecoder(bytes.NewReader(d.Configuration))
	dec.UseNumber()
	if err := dec.Decode(&p.config); err != nil {
		return p, badConfig("its Configuration cannot be read: "+err.Error(), "Configuration")
	}
	can, err := abilityOf(p.Target)
	if err != nil {
		return p, err
	}
	p.spec = run.Spec{Target: cmp.Or(p.Target, "local")}
	p.takeInstance(can)
	if p.warnings, err = p.sort(can.has); err != nil {
		return p, err
	}
	hidden := false
	if p.document, hidden = envwire.Scrub(d.Configuration); hidden {
		p.warnings = append(p.warnings, "docker.baseImageRegistry.password of the environment is not kept: log Docker on the target in to the registry")
	}
	if p.spec.Command, err = p.words(); err != nil {
		return p, err
	}
	if p.MaxSeconds != "" {
		n, err := p.MaxSeconds.Float64()
		if err != nil || n < 0 || n > 1e9 {
			return p, badConfig("maxRunDurationSeconds is no number of seconds", "maxRunDurationSeconds")
		}
		p.spec.Timeout = time.Duration(n * float64(time.Second))
	}
	if p.Priority != nil {
		p.spec.Priority = *p.Priority
	}
	if err := p.readEnvironment(); err != nil {
		return p, err
	}
	if err := p.readNodes(can); err != nil {
		return p, err
	}
	return p, p.readSpark(can.has)
}

func (p *plan) readEnvironment() error {
	p.spec.Env = maps.Clone(p.Variables)
	if len(p.Environment) == 0 || string(p.Environment) == "null" {
		return nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(p.Environment, &fields); err != nil {
		return badConfig("its environment is no object", "environment")
	}
	_, python := fields["python"]
	p.Environment, _ = envwire.Scrub(p.Environment)
	w, d, notes, err := envwire.Decode(p.Environment, p.Docker.Use)
	p.env, p.made, p.named = w, d, !python
	p.warnings = append(p.warnings, notes...)
	return err
}
