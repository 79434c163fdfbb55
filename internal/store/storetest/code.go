package storetest

import (
	"time"

	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/store"
)

var codes = records[run.Code, run.CodeFilter]{
	of:  func(s Store) store.Repo[run.Code, run.CodeFilter] { return s.Codes() },
	key: run.Code.Key,
	make: func(n int) run.Code {
		return run.Code{Workspace: "ws", Name: numbered("c", n), Snapshot: "00", Created: epoch.Add(-time.Duration(n) * time.Second)}
	},
	named:  func(v *run.Code, s string) { v.Name = s },
	touch:  func(v *run.Code) { v.Created = next(v.Created) },
	filter: run.CodeFilter{Workspace: "ws"},
}
