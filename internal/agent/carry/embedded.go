//go:build agents

package carry

import _ "embed"

// What "make agents" builds.
var (
	//go:embed bin/zaffre-agent-linux-amd64
	amd64 []byte
	//go:embed bin/zaffre-agent-linux-arm64
	arm64 []byte
)

func binaries() map[string][]byte { return map[string][]byte{"amd64": amd64, "arm64": arm64} }
