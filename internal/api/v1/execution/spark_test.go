package execution_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/domaintest"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/fake"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// newSparkRig is newRig with a target "spark", whose kind has the job options of one with Spark.
func newSparkRig(t *testing.T) *rig {
	t.Helper()
	r := newRig(t)
	kind := fake.Kind(r.Fake)
	kind.Name = "spark"
	kind.JobOptions = []driver.Option{
		{Path: "conf", Type: driver.Object, Help: "h"},
		{Path: "deployMode", Type: driver.String, Help: "h"},
		{Path: "packages", Type: driver.String, Many: true, Help: "h"},
		{Path: "repositories", Type: driver.String, Many: true, Help: "h"},
	}
	r.attach(t, kind)
	return r
}

// attach attaches a target of a kind, with its name.
func (r *rig) attach(t *testing.T, kind driver.Kind) {
	t.Helper()
	r.Computes.Kinds = append(r.Computes.Kinds, kind)
	ctx := domaintest.Owner(t.Context())
	_, _, err := r.Computes.Attach(ctx, compute.AttachRequest{Workspace: domaintest.Workspace, Name: kind.Name, Kind: kind.Name, Options: map[string]any{"slots": 4, "machine": "m-" + kind.Name}})
	if err != nil {
		t.Fatal(err)
	}
	domaintest.Eventually(t, func() (compute.Target, bool) {
		target, err := r.Computes.Get(ctx, store.Key{Workspace: domaintest.Workspace, Name: kind.Name})
		return target, err == nil && target.Status.State != compute.Creating
	})
}

// runsOnly can nothing but run jobs.
type runsOnly struct{ driver.Runner }

// TestBareEnvironments: where no environments are built, the one that the client makes by itself is left out, and what
// its variables say is kept. One with packages stays, and so it does where environments are built.
func TestBareEnvironments(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	pool := fake.Kind(r.Fake)
	pool.Name, pool.Prototype = "pool", (*runsOnly)(nil)
	builder := fake.Kind(r.Fake)
	builder.Name = "builder"
	r.attach(t, pool)
	r.attach(t, builder)
	packages := func(list ...any) map[string]any {
		return map[string]any{"dependencies": []any{"python=3.10", map[string]any{"pip": list}}}
	}
	for name, c := range map[string]struct {
		changes map[string]any
		left    bool
	}{
		"default":      {map[string]any{"target": "pool", "environment.python.userManagedDependencies": false}, true},
		"pinned":       {map[string]any{"target": "pool", "environment.python.userManagedDependencies": false, "environment.python.condaDependencies": packages("azureml-defaults~=1.61")}, true},
		"user-managed": {map[string]any{"target": "pool"}, true},
		"packages":     {map[string]any{"target": "pool", "environment.python.userManagedDependencies": false, "environment.python.condaDependencies": packages("azureml-defaults", "pandas")}, false},
		"interpreter":  {map[string]any{"target": "pool", "environment.python.interpreterPath": "/opt/python"}, false},
		"builder":      {map[string]any{"target": "builder"}, false},
	} {
		if w := r.start(t, name, c.changes); w.Code != http.StatusOK {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
			continue
		}
		v := r.run(t, name)
		if left := v.Spec.Environment == ""; left != c.left || left != (len(v.Status.Warnings) == 1) || left && v.Spec.Env["EXAMPLE_ENV_VAR"] != "EXAMPLE_VALUE" {
			t.Errorf("%s: the environment is %q, the variables %v, the warnings %q", name, v.Spec.Environment, v.Spec.Env, v.Status.Warnings)
		}
	}
}

// TestSpark: what a configuration says to Spark becomes options of the run, where the target has them.
func TestSpark(t *testing.T) {
	t.Parallel()
	r := newSparkRig(t)
	for name, c := range map[string]struct {
		changes  map[string]any
		options  map[string]any
		warnings int
	}{
		"default":  {map[string]any{"framework": "PySpark"}, nil, 1},
		"python":   {map[string]any{}, nil, 0},
		"client":   {map[string]any{"framework": "PySpark", "hdi.yarnDeployMode": "client"}, map[string]any{"deployMode": "client"}, 0},
		"conf":     {map[string]any{"hdi.yarnDeployMode": "client", "spark.configuration": map[string]any{"spark.app.name": "x", "spark.executor.cores": 4, "spark.a": "b", "spark.c": true}}, map[string]any{"deployMode": "client", "conf": map[string]any{"spark.executor.cores": "4", "spark.a": "b", "spark.c": "true"}}, 0},
		"packages": {map[string]any{"framework": "pyspark", "hdi.yarnDeployMode": "client", "environment.spark.packages": []any{map[string]any{"group": "g", "artifact": "a", "version": "1"}}, "environment.spark.repositories": []any{"https://r.example"}}, map[string]any{"deployMode": "client", "packages": []any{"g:a:1"}, "repositories": []any{"https://r.example"}}, 0},
	} {
		changes := map[string]any{"target": "spark"}
		for k, v := range c.changes {
			changes[k] = v
		}
		if w := r.start(t, name, changes); w.Code != http.StatusOK {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
			continue
		}
		v := r.run(t, name)
		if diff := cmp.Diff(c.options, v.Spec.Options); diff != "" || len(v.Status.Warnings) != c.warnings {
			t.Errorf("%s: warnings %q; options (-want +got):\n%s", name, v.Status.Warnings, diff)
		}
	}
	for name, changes := range map[string]map[string]any{
		"mode": {"target": "spark", "framework": "PySpark", "hdi.yarnDeployMode": "both"},
		"list": {"target": "spark", "spark.configuration": map[string]any{"spark.a": []any{1}}},
	} {
		if w := r.start(t, name, changes); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "RunConfigInvalid") {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}
