// Package sshvm is the kind of compute target that is a machine reached by SSH: any Linux with sshd
// and a POSIX shell. Nothing is installed there, nobody has to be root, and no port but sshd's is open.
package sshvm

import (
	"context"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/sshhost"
)

// PinHostKey is the name under which the host key that was seen is kept: see driver.Observation.Pin.
const PinHostKey = sshhost.PinHostKey

// Kind returns the kind.
func Kind() driver.Kind {
	return driver.Kind{
		Name: "sshvm", Summary: "A Linux machine reached by SSH.",
		ComputeTypes: []string{"VirtualMachine"}, Attached: true, Relays: true,
		Example: "--address 10.0.0.4 --user me --key-file ~/.ssh/id_ed25519", ResourceTypes: []string{"Microsoft.Compute/virtualMachines"},
		Options:   sshhost.Options(),
		Document:  sshhost.Document,
		Prototype: (*sshhost.Conn)(nil),
		Connect: func(_ context.Context, t driver.Target) (driver.Conn, error) {
			return sshhost.Connect(t)
		},
	}
}
