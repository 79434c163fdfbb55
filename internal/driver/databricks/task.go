package databricks

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/launchx"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// What a command can be.
const (
	taskPython   = "python"
	taskNotebook = "notebook"
	taskJar      = "jar"
)

// taskKey names the one task of a run.
const taskKey = "main"

// task is the one task of a run, as the Jobs API has it.
type task struct {
	kind string
	body map[string]any
}

// task makes the task of a job, or says why it cannot be one.
func (c *conn) task(ctx context.Context, job driver.Job) (task, error) {
	t := task{kind: driver.Text(job.Options[jobTask]), body: map[string]any{"task_key": taskKey}}
	if t.kind == "" {
		t.kind = taskPython
	}
	if job.Memory > 0 {
		return t, cannot("a limit of memory cannot be set on a cluster", "leave out --memory, and choose the cluster's nodes instead", "memory")
	}
	if err := launchx.CheckVariables(job.Env); err != nil {
		return t, err
	}
	if err := c.placeOn(t, job); err != nil {
		return t, err
	}
	libraries, err := c.libraries(ctx, job)
	if err != nil {
		return t, err
	}
	if len(libraries) > 0 {
		t.body["libraries"] = libraries
	}
	return t, c.what(t, job)
}

// placeOn chooses the cluster: the run's, or else the target's.
func (c *conn) placeOn(t task, job driver.Job) error {
	cluster, made := driver.Text(job.Options[optCluster]), map[string]any(nil)
	made, _ = job.Options[optNewCluster].(map[string]any)
	if cluster == "" && made == nil {
		cluster, made = c.cluster, c.newCluster
	}
	switch {
	case cluster != "" && made != nil:
		return cannot("it names a cluster, and describes a new one", "give one of the options cluster and newCluster", "options."+optNewCluster)
	case cluster != "":
		t.body["existing_cluster_id"] = cluster
	case made != nil:
		t.body["new_cluster"] = made
	default:
		return &fault.Error{
			Code: fault.Precondition, Reason: "ClusterMissing", What: "the job is not started", Why: "neither the run nor the target says which cluster runs it",
			Fix: "give the target one: zaffre compute update NAME --cluster ID; or the run: zaffre run submit --option cluster=ID …", Field: "options." + optCluster,
		}
	}
	return nil
}

// what says what the task does.
func (c *conn) what(t task, job driver.Job) error {
	parameters, _ := job.Options[jobParameters].(map[string]any)
	if parameters != nil && t.kind != taskNotebook {
		return cannot("only notebooks have base parameters", "leave the option out, or add: --option task=notebook", "options."+jobParameters)
	}
	switch t.kind {
	case taskPython:
		t.body["spark_python_task"] = map[string]any{"python_file": c.files.uri(launchx.Launcher()), "parameters": []string{c.files.seenAs(launchx.JobFolder(job.ID))}}
		return nil
	case taskNotebook:
		if len(job.Command) != 1 || !strings.HasPrefix(job.Command[0], "/") {
			return cannot("a notebook's command is its path in the workspace, and nothing else", "give its parameters by --option baseParameters='{\"NAME\": \"VALUE\"}'", "command")
		}
		n := map[string]any{"notebook_path": job.Command[0]}
		if len(parameters) > 0 {
			n["base_parameters"] = words(parameters)
		}
		t.body["notebook_task"] = n
	case taskJar:
		t.body["spark_jar_task"] = map[string]any{"main_class_name": job.Command[0], "parameters": job.Command[1:]}
	default:
		return cannot(fmt.Sprintf("there is no task %q", t.kind), "give python, notebook or jar", "options."+jobTask)
	}
	return c.variablesOf(t, job)
}

// words are a notebook's parameters: the Jobs API has only strings.
func words(m map[string]any) map[string]string {
	out := map[string]string{}
	for k, v := range m {
		out[k] = fmt.Sprint(v)
	}
	return out
}

// variablesOf gives the variables of a task without launcher to its new cluster; one that is there has its own.
func (c *conn) variablesOf(t task, job driver.Job) error {
	env := maps.Clone(job.Env)
	maps.DeleteFunc(env, func(k, _ string) bool { return strings.HasPrefix(k, "ZAFFRE_") })
	if len(env) == 0 {
		return nil
	}
	made, ok := t.body["new_cluster"].(map[string]any)
	if !ok {
		return cannot("a "+t.kind+" task on a cluster that is there takes no variables: it has the cluster's", "leave them out, or give the run a newCluster", "variables")
	}
	made = maps.Clone(made)
	all := map[string]any{}
	if own, ok := made["spark_env_vars"].(map[string]any); ok {
		maps.Copy(all, own)
	}
	for k, v := range env {
		all[k] = v
	}
	made["spark_env_vars"] = all
	t.body["new_cluster"] = made
	return nil
}

// cannot says what a run asks for that Databricks does not do.
func cannot(why, fix, field string) error {
	return &fault.Error{
		Code: fault.Unsupported, Reason: "TaskUnsupported", What: "the job is not started", Why: why, Fix: fix, Field: field,
	}
}
