//go:build !agents

package carry

func binaries() map[string][]byte { return nil }
