// Package carry holds the agent's binaries for the machines that a server sends it to.
package carry

// Binary returns the agent for a platform, as Go names it. ok is false where this build holds none:
// then the server's own binary is the agent on its own platform, by the verb agent.Verb, and other
// platforms cannot be served.
func Binary(goos, goarch string) (binary []byte, ok bool) {
	if goos != "linux" {
		return nil, false
	}
	b := binaries()[goarch]
	return b, len(b) > 0
}
