package storetest

import (
	"github.com/zaffre-ml/zaffre/internal/model"
	"github.com/zaffre-ml/zaffre/internal/store"
)

var assets = records[model.Asset, model.AssetFilter]{
	of:  func(s Store) store.Repo[model.Asset, model.AssetFilter] { return s.Assets() },
	key: model.Asset.Key,
	make: func(n int) model.Asset {
		return model.Asset{Workspace: "ws", ID: numbered("a", n), Run: "r", Created: epoch}
	},
	named:  func(a *model.Asset, s string) { a.ID = s },
	touch:  func(a *model.Asset) { a.Description += "x" },
	filter: model.AssetFilter{Workspace: "ws", Run: "r"},
}
