package wire

import (
	"io"
	"time"

	"github.com/hashicorp/yamux"
)

// Channel returns how both ends multiplex: the defaults, with a peer that does not answer noticed
// in less than a minute.
func Channel() *yamux.Config {
	c := yamux.DefaultConfig()
	c.LogOutput = io.Discard
	c.KeepAliveInterval = 20 * time.Second
	c.ConnectionWriteTimeout = 20 * time.Second
	c.MaxStreamWindowSize = 1 << 20
	return c
}
