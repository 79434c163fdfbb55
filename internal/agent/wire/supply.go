package wire

// The operations that a build asks of the server, by the agent that serves then.
const (
	OpTool  = "tool"  // Tool -> ToolFile, then bytes
	OpIndex = "index" // -> Index
	OpRoute = "route" // Route -> Empty, then bytes both ways, as they are
)

// Tool asks for a program, as a Linux machine of an architecture ("amd64") runs it.
type Tool struct {
	Name string `json:"name"` // "uv"
	Arch string `json:"arch"`
}

// ToolFile is a program: its bytes follow.
type ToolFile struct {
	Hash string `json:"hash"` // SHA-256 in lower-case hex
	Size int64  `json:"size"`
}

// Index is how the server comes to packages, where somebody configured it. The zero value is as uv comes.
type Index struct {
	Default string   `json:"default,omitzero"` // URL in the place of uv's own
	Extra   []string `json:"extra,omitzero"`   // more URLs
	CA      []byte   `json:"ca,omitzero"`      // PEM: what the server trusts there
}

// Route asks for a connection to a package index, for a build that runs.
type Route struct {
	Digest string `json:"digest"` // of the build
	Addr   string `json:"addr"`   // HOST:PORT
}
