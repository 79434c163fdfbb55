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
// folder, but sockets and pipes in it lead nowhere there. It is opened where such a job is to reach the server. By
// it jobs say too that they have changed, so that nobody has to look.
const (
	doorFile   = "door.json" // where it is, and its secret: of who may read the root
	doorMarker = "door"      // its presence has the next agent open it too
	// doorWithin bounds how long a connection may take to say the secret, and each try to make one.
	doorWithin = 3 * time.Second
	// toldWithin bounds how long a job that has ended tries each name of the door: its node waits for it.
	toldWithin = 500 * time.Millisecond
)

// door is what door.json holds.
type door struct {
	Hosts  []string `json:"hosts"` // names and addresses of this machine, one of which others reach
	Port   int      `json:"port"`
	CA     []byte   `json:"ca"`             // PEM
	Secret string   `json:"secret"`         // who begins with it is led to the server
	Tell   string   `json:"tell,omitempty"` // who begins with this one, as long, says the name of a job that changed
}

// openDoor listens for other machines, and writes down where.
func openDoor(root string, session *yamux.Session, changed func(job string)) (io.Closer, error) {
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
	d := door{Hosts: ownHosts(), Port: l.Addr().(*net.TCPAddr).Port, CA: me.CA, Secret: rand.Text(), Tell: rand.Text()}
	go d.answer(l, session, changed)
	err = errors.Join(os.WriteFile(filepath.Join(root, doorMarker), nil, 0o600), writeJSON(filepath.Join(root, doorFile), d))
	if err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// answer takes what comes, each connection on its own.
func (d door) answer(l net.Listener, session *yamux.Session, changed func(job string)) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			switch d.admits(conn) {
			case d.Secret:
				lead(conn, session)
			case d.Tell:
				hear(conn, changed)
			}
		}()
	}
}

// lead carries a connection to the server, on a stream of its own.
func lead(conn net.Conn, session *yamux.Session) {
	st, err := session.OpenStream()
	if err != nil {
		return
	}
	defer st.Close()
	if conn.SetDeadline(time.Time{}) == nil && toHome(st) == nil {
		join(conn, st)
	}
}

// hear reads which job has changed: a name of at most 64 letters.
func hear(conn net.Conn, changed func(job string)) {
	name, err := io.ReadAll(io.LimitReader(conn, 65))
	if err == nil && validName(string(name)) {
		changed(string(name))
	}
}

// admits reads the secret with which a connection begins, and returns which it is; "": none of ours.
func (d door) admits(conn net.Conn) string {
	_ = conn.SetDeadline(time.Now().Add(doorWithin))
	said := make([]byte, len(d.Secret))
	if _, err := io.ReadFull(conn, said); err != nil {
		return ""
	}
	for _, secret := range []string{d.Secret, d.Tell} {
		if subtle.ConstantTimeCompare(said, []byte(secret)) == 1 {
			return secret
		}
	}
	return ""
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
	d, err := readDoor(root)
	if err != nil {
		return nil, err
	}
	return d.dial(d.Secret, doorWithin)
}

// tellDoor says to the agent of another machine that a job may have changed.
func tellDoor(root, job string) error {
	d, err := readDoor(root)
	if err != nil || d.Tell == "" { // an agent from before it could be told
		return err
	}
	conn, err := d.dial(d.Tell, toldWithin)
	if err != nil {
		return err
	}
	_ = conn.SetDeadline(time.Now().Add(toldWithin))
	_, err = io.WriteString(conn, job)
	return errors.Join(err, conn.Close())
}

func readDoor(root string) (d door, err error) {
	ok, err := readJSON(filepath.Join(root, doorFile), &d)
	if err == nil && !ok {
		err = errors.New("the agent has no door")
	}
	return d, err
}

// dial tries the machine's names one after the other, each within a time, and begins with a secret.
func (d door) dial(secret string, within time.Duration) (net.Conn, error) {
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(d.CA)
	var failed error
	for _, host := range d.Hosts {
		conn, err := tls.DialWithDialer(&net.Dialer{Timeout: within}, "tcp", net.JoinHostPort(host, strconv.Itoa(d.Port)),
			&tls.Config{RootCAs: trusted, ServerName: "localhost", MinVersion: tls.VersionTLS12}) // whose key nobody else has
		if err == nil {
			if _, err = io.WriteString(conn, secret); err == nil {
				return conn, nil
			}
			conn.Close()
		}
		failed = errors.Join(failed, err)
	}
	return nil, failed
}
