package storetest

import (
	"strconv"
	"time"

	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/environment"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/inventory"
	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/store"
	"github.com/zaffre-ml/zaffre/internal/workspace"
)

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 678_000, time.UTC)

var workspaces = records[workspace.Workspace, workspace.Filter]{
	of:    func(s Store) store.Repo[workspace.Workspace, workspace.Filter] { return s.Workspaces() },
	key:   workspace.Workspace.Key,
	make:  func(n int) workspace.Workspace { return workspace.Workspace{Name: numbered("ws", n), ID: "uuid"} },
	named: func(w *workspace.Workspace, s string) { w.Name = s },
	touch: func(w *workspace.Workspace) { w.CreatedBy += "x" },
}

var tokens = records[identity.Token, identity.TokenFilter]{
	of:  func(s Store) store.Repo[identity.Token, identity.TokenFilter] { return s.Tokens() },
	key: identity.Token.Key,
	make: func(n int) identity.Token {
		return identity.Token{ID: numbered("t", 999-n), Workspace: "ws", Created: epoch}
	},
	named: func(v *identity.Token, s string) { v.ID = s },
	touch: func(v *identity.Token) { v.Revoked = next(v.Revoked) },
}

var principals = records[identity.Principal, identity.PrincipalFilter]{
	of:  func(s Store) store.Repo[identity.Principal, identity.PrincipalFilter] { return s.Principals() },
	key: identity.Principal.Key,
	make: func(n int) identity.Principal {
		return identity.Principal{AppID: numbered("p", n), Workspace: "ws", Created: epoch}
	},
	named: func(v *identity.Principal, s string) { v.AppID = s },
	touch: func(v *identity.Principal) { v.Rotated = next(v.Rotated) },
}

var linkedServices = records[workspace.LinkedService, workspace.LinkedFilter]{
	of:  func(s Store) store.Repo[workspace.LinkedService, workspace.LinkedFilter] { return s.LinkedServices() },
	key: workspace.LinkedService.Key,
	make: func(n int) workspace.LinkedService {
		return workspace.LinkedService{Workspace: "ws", Name: numbered("l", n), ID: "uuid", Created: epoch}
	},
	named:  func(v *workspace.LinkedService, s string) { v.Name = s },
	touch:  func(v *workspace.LinkedService) { v.Type += "x" },
	filter: workspace.LinkedFilter{Workspace: "ws"},
}

var entries = records[inventory.Entry, inventory.Filter]{
	of:  func(s Store) store.Repo[inventory.Entry, inventory.Filter] { return s.Inventory() },
	key: inventory.Entry.Key,
	make: func(n int) inventory.Entry {
		return inventory.Entry{Workspace: "ws", ResourceID: numbered("machine", n), ID: "ulid", Created: epoch}
	},
	named:  func(v *inventory.Entry, s string) { v.ResourceID = s },
	touch:  func(v *inventory.Entry) { v.Changed = next(v.Changed) },
	filter: inventory.Filter{Workspace: "ws"},
}

var targets = records[compute.Target, compute.Filter]{
	of:     func(s Store) store.Repo[compute.Target, compute.Filter] { return s.Targets() },
	key:    compute.Target.Key,
	make:   func(n int) compute.Target { return aTarget(numbered("box", n)) },
	named:  func(v *compute.Target, s string) { v.Name = s },
	touch:  func(v *compute.Target) { v.Revision++ },
	filter: compute.Filter{Workspace: "ws"},
}

var environments = records[environment.Environment, environment.Filter]{
	of:  func(s Store) store.Repo[environment.Environment, environment.Filter] { return s.Environments() },
	key: environment.Environment.Key,
	make: func(n int) environment.Environment {
		return environment.Environment{Workspace: "ws", Name: numbered("env", n/10), Version: 100 - n%10, Digest: "d"}
	},
	named:  func(v *environment.Environment, s string) { v.Name = s },
	touch:  func(v *environment.Environment) { v.CreatedBy += "x" },
	filter: environment.Filter{Workspace: "ws"},
}

var builds = records[environment.Build, environment.BuildFilter]{
	of:  func(s Store) store.Repo[environment.Build, environment.BuildFilter] { return s.Builds() },
	key: environment.Build.Key,
	make: func(n int) environment.Build {
		return environment.Build{Target: "t1", Digest: strconv.Itoa(n), Started: epoch.Add(-time.Duration(n) * time.Minute)}
	},
	named:  func(v *environment.Build, s string) { v.Digest = s },
	touch:  func(v *environment.Build) { v.Ended = next(v.Ended) },
	filter: environment.BuildFilter{Target: "t1"},
}

var experiments = records[run.Experiment, run.ExperimentFilter]{
	of:  func(s Store) store.Repo[run.Experiment, run.ExperimentFilter] { return s.Experiments() },
	key: run.Experiment.Key,
	make: func(n int) run.Experiment {
		return run.Experiment{Workspace: "ws", Name: numbered("e", n), ID: numbered("1", n), Created: epoch}
	},
	named:  func(v *run.Experiment, s string) { v.Name, v.ID = s, s },
	touch:  func(v *run.Experiment) { v.Runs++ },
	filter: run.ExperimentFilter{Workspace: "ws"},
}

var artifacts = records[run.Artifact, run.ArtifactFilter]{
	of:  func(s Store) store.Repo[run.Artifact, run.ArtifactFilter] { return s.Artifacts() },
	key: run.Artifact.Key,
	make: func(n int) run.Artifact {
		return run.Artifact{Owner: "r1", Path: numbered("outputs/f", n), Created: epoch}
	},
	named:  func(v *run.Artifact, s string) { v.Path = s },
	touch:  func(v *run.Artifact) { v.Size++ },
	filter: run.ArtifactFilter{Owner: "r1"},
}

var runs = records[run.Run, run.Filter]{
	of:     func(s Store) store.Repo[run.Run, run.Filter] { return s.Runs() },
	key:    run.Run.Key,
	make:   func(n int) run.Run { return aRun(999 - n) },
	named:  func(v *run.Run, s string) { v.Name, v.ID = s, s },
	touch:  func(v *run.Run) { v.Number++ },
	filter: run.Filter{Workspace: "ws"},
}

func next(t time.Time) time.Time {
	if t.IsZero() {
		return epoch
	}
	return t.Add(time.Second)
}

func aTarget(name string, machines ...string) compute.Target {
	t := compute.Target{Workspace: "ws", Name: name, ID: "id-" + name, Kind: "fake", Created: epoch}
	for _, m := range machines {
		t.Status.Seen.Machines = append(t.Status.Seen.Machines, driver.Machine{Identity: m, Runs: 1})
	}
	return t
}

// aRun returns the nth run by age.
func aRun(n int) run.Run {
	return run.Run{
		Workspace: "ws", Name: numbered("name", n), ID: numbered("id", n), Experiment: "e", Origin: run.Managed,
		Spec: run.Spec{Target: "box"}, Status: run.Status{State: run.NotStarted}, Created: epoch,
	}
}
