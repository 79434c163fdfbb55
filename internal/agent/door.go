package agent

import (
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/hashicorp/yamux"
)

// The door is the agent's home socket for other machines: jobs that a scheduler starts elsewhere share the agent's
// folder, but sockets in it lead nowhere there. It is opened where such a job is to reach the server.
const (
	doorFile   = "door.json" // where it is, and its secret: of who may read the root
	doorMarker = "door"      // its presence has the next agent open it too
	// doorWithin bounds how long a connection may take to say the secret, and each try to make one.
	doorWithin = 3 * time.Second
)

// door is what door.json holds.
type door struct {
	Hosts  []string `json:"hosts"` // names and addresses of this machine, one of which others reach
	Port   int      `json:"port"`
	CA     []byte   `json:"ca"` // PEM
	Secret string   `json:"secret"`
}

// openDoor listens for other machines, and writes down where.
func openDoor(root string, session *yamux.Session) (io.Closer, error) {
	me, err := newRelayIdentity()
	if err != nil {
		return nil, err
	}
	cert, err := me.certificate()
	if err != nil {
		return nil, err
	}
	l, err := tls.Listen("tcp", ":0", &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12})
	if err != nil {
		return nil, err
	}
	d := door{Hosts: ownHosts(), Port: l.Addr().(*net.TCPAddr).Port, CA: me.CA, Secret: rand.Text()}
	go d.answer(l, session)
	err = errors.Join(os.WriteFile(filepath.Join(root, doorMarker), nil, 0o600), writeJSON(filepath.Join(root, doorFile), d))
	if err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// answer carries what comes to the server, each connection on a stream of its own.
func (d door) answer(l net.Listener, session *yamux.Session) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			if !d.admits(conn) {
				return
			}
			st, err := session.OpenStream()
			if err != nil {
				return
			}
			defer st.Close()
			if toHome(st) == nil {
				join(conn, st)
			}
		}()
	}
}

// admits reads the secret, with which a connection begins.
func (d door) admits(conn net.Conn) bool {
	_ = conn.SetDeadline(time.Now().Add(doorWithin))
	said := make([]byte, len(d.Secret))
	if _, err := io.ReadFull(conn, said); err != nil || subtle.ConstantTimeCompare(said, []byte(d.Secret)) != 1 {
		return false
	}
	return conn.SetDeadline(time.Time{}) == nil
}

// ownHosts returns what this machine may be reached by: its name, and its addresses but those of itself alone.
func ownHosts() (hosts []string) {
	if name, err := os.Hostname(); err == nil {
		hosts = append(hosts, name)
	}
	list, _ := net.InterfaceAddrs()
	for _, a := range list {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
			hosts = append(hosts, n.IP.String())
		}
	}
	return hosts
}

// dialDoor connects to the server through the agent of another machine.
func dialDoor(root string) (net.Conn, error) {
	var d door
	ok, err := readJSON(filepath.Join(root, doorFile), &d)
	if err != nil || !ok {
		return nil, errors.Join(errors.New("the agent has no door"), err)
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(d.CA)
	var failed error
	for _, host := range d.Hosts {
		conn, err := tls.DialWithDialer(&net.Dialer{Timeout: doorWithin}, "tcp", net.JoinHostPort(host, strconv.Itoa(d.Port)),
			&tls.Config{RootCAs: trusted, ServerName: "localhost", MinVersion: tls.VersionTLS12}) // whose key nobody else has
		if err == nil {
			if _, err = io.WriteString(conn, d.Secret); err == nil {
				return conn, nil
			}
			conn.Close()
		}
		failed = errors.Join(failed, err)
	}
	return nil, failed
}
