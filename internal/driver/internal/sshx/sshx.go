// Package sshx is the SSH client of the kinds that reach machines by SSH: one kept connection per
// target, on it commands, files and streams. It asks nothing of the machine but sshd and a POSIX
// shell: no sftp, no TCP forwarding, no second session at once.
package sshx

import (
	"net"
	"strconv"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/zaffre-ml/zaffre/internal/driver"
)

// Config says where a machine is and who to be there. Conn does not change it.
type Config struct {
	Address string // a name or an IP address, as seen from where it is dialled
	Port    int
	User    string
	Login   Login
	Trust   Trust
	// Via are jump hosts, any of which will do; the first that answers is taken. None: it is
	// dialled from here. A chain comes from the jump host's own jump hosts.
	Via []driver.Host
	// Timeout is for finding the address and connecting to it. What follows has grace more.
	Timeout time.Duration
}

// Login is what a user proves himself by. Key is tried before Password.
type Login struct {
	Password        string
	Key, Passphrase string // a private key as text, in OpenSSH's or PEM form

	read func() (ssh.Signer, error) // Key, read once: a passphrase takes a good part of a second
}

const (
	// grace is how much longer than Config.Timeout a connection may take to be made, login included.
	grace = 2800 * time.Millisecond
	// keepEvery is how often a connection is asked whether it lives, keepWithin how soon it must say so.
	keepEvery  = 15 * time.Second
	keepWithin = 10 * time.Second
	// idleAfter is how long a connection without a session or stream stays open.
	idleAfter = 5 * time.Minute
	// After a connection could not be made, it is not tried again for a while.
	backoffMin = 200 * time.Millisecond
	backoffMax = 30 * time.Second
)

// clientVersion is how we introduce ourselves to sshd.
const clientVersion = "SSH-2.0-zaffre"

// Place returns host:port.
func (c Config) Place() string { return net.JoinHostPort(c.Address, strconv.Itoa(c.Port)) }

// Seen is what a connection showed of its machine.
type Seen struct {
	Key    ssh.PublicKey   // the host key that it proved
	All    []ssh.PublicKey // what it says are all its host keys; none where it does not tell
	Server string          // its version line
}

// Fingerprint returns the fingerprint of the host key that names the machine whichever of its keys
// it was asked for: the one it proved, or the first of all that it has, sorted by type.
func (s Seen) Fingerprint() string {
	best := s.Key
	for _, k := range s.All {
		if rank(k) < rank(best) {
			best = k
		}
	}
	return ssh.FingerprintSHA256(plain(best))
}

// rank orders the types of host keys by how usual they are.
func rank(k ssh.PublicKey) int {
	switch plain(k).Type() {
	case ssh.KeyAlgoED25519:
		return 0
	case ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521:
		return 1
	case ssh.KeyAlgoRSA:
		return 2
	}
	return 3
}

// plain returns the key inside a certificate, or the key.
func plain(k ssh.PublicKey) ssh.PublicKey {
	if c, ok := k.(*ssh.Certificate); ok {
		return c.Key
	}
	return k
}
