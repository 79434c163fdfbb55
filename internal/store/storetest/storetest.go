// Package storetest is the conformance suite of stores: what internal/store promises, for every type
// of record.
package storetest

import (
	"testing"

	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/environment"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/image"
	"github.com/zaffre-ml/zaffre/internal/inventory"
	"github.com/zaffre-ml/zaffre/internal/metric"
	"github.com/zaffre-ml/zaffre/internal/model"
	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/store"
	"github.com/zaffre-ml/zaffre/internal/workspace"
)

// Store is everything that a store has.
type Store interface {
	store.Queue
	store.Claims
	store.Events
	Workspaces() workspace.Store
	Tokens() identity.TokenStore
	Principals() identity.PrincipalStore
	LinkedServices() workspace.LinkedStore
	Vault() workspace.SecretStore
	Inventory() inventory.Store
	Targets() compute.Store
	Environments() environment.Store
	Builds() environment.BuildStore
	Runs() run.Store
	Experiments() run.ExperimentStore
	Codes() run.CodeStore
	Artifacts() run.ArtifactStore
	Models() model.Store
	Versions() model.VersionStore
	Logged() model.LoggedStore
	Assets() model.AssetStore
	Manifests() image.ManifestStore
	Tags() image.TagStore
	Layers() image.LayerStore
	Metrics(metric.Limits) metric.Store
}

// Run runs the suite. open returns an empty store that is closed when the test ends; it is called
// once per test, also inside synctest bubbles.
func Run(t *testing.T, open func(t *testing.T) Store) {
	for name, test := range map[string]func(*testing.T, func(*testing.T) Store){
		"Workspaces":   workspaces.test,
		"Tokens":       tokens.test,
		"Principals":   principals.test,
		"Linked":       linkedServices.test,
		"Vault":        secrets.test,
		"Inventory":    entries.test,
		"Targets":      targets.test,
		"Environments": environments.test,
		"Builds":       builds.test,
		"Experiments":  experiments.test,
		"Codes":        codes.test,
		"Artifacts":    artifacts.test,
		"Files":        testFiles,
		"Models":       models.test,
		"Versions":     modelVersions.test,
		"Logged":       loggedModels.test,
		"Assets":       assets.test,
		"Manifests":    manifests.test,
		"Tags":         imageTags.test,
		"Layers":       imageLayers.test,
		"Repositories": testRepositories,
		"Families":     testFamilies,
		"Runs":         runs.test,
		"Search":       testSearch,
		"Lists":        testLists,
		"Effects":      testEffects,
		"Origins":      testOrigins,
		"Queue":        testQueue,
		"Events":       testEvents,
		"Metrics":      testMetrics,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open)
		})
	}
}

// on makes a subtest with a store of its own.
func on(t *testing.T, open func(*testing.T) Store, name string, test func(t *testing.T, s Store)) {
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		test(t, open(t))
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
