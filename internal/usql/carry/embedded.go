//go:build agents

package carry

import _ "embed"

// What "make agents" builds.
var (
	//go:embed bin/zaffre-usql-linux-amd64.gz
	amd64 []byte
	//go:embed bin/zaffre-usql-linux-arm64.gz
	arm64 []byte
)

func embedded() map[string][]byte { return map[string][]byte{"amd64": amd64, "arm64": arm64} }
