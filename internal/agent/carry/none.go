//go:build !agents

package carry

func embedded() map[string][]byte { return nil }
