package storetest

import (
	"github.com/zaffre-ml/zaffre/internal/store"
	"github.com/zaffre-ml/zaffre/internal/workspace"
)

var secrets = records[workspace.Secret, workspace.SecretFilter]{
	of:  func(s Store) store.Repo[workspace.Secret, workspace.SecretFilter] { return s.Vault() },
	key: workspace.Secret.Key,
	make: func(n int) workspace.Secret {
		return workspace.Secret{Workspace: "ws", Name: numbered("s", n), Sealed: []byte{1}, Created: epoch}
	},
	named:  func(v *workspace.Secret, s string) { v.Name = s },
	touch:  func(v *workspace.Secret) { v.Updated = next(v.Updated) },
	filter: workspace.SecretFilter{Workspace: "ws"},
}
