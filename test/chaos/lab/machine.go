package lab

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	_ "embed"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

//go:embed machine.sh
var machineScript string

const (
	sshd = "/usr/sbin/sshd"
	// User is who logs in to a machine.
	User   = "chaos"
	userID = "4711"
	port   = "22"
)

// Machine is one machine.
type Machine struct {
	Name, Address string

	dir  string
	unit *exec.Cmd // unshare, with which all of the machine ends
	root int       // process ID of its sshd
}

// Key makes a key pair: the private one as OpenSSH writes it, the public one as authorized_keys has it.
func Key() (private, public string, err error) {
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", "", err
	}
	block, err := ssh.MarshalPrivateKey(key, "chaos")
	if err != nil {
		return "", "", err
	}
	k, err := ssh.NewPublicKey(pub)
	if err != nil {
		return "", "", err
	}
	return string(pem.EncodeToMemory(block)), string(ssh.MarshalAuthorizedKey(k)), nil
}

// Machine starts the i-th machine, with a disk of a size in MiB, and waits until its sshd answers. Its files lie
// below dir, which must not be below /home, /run or /var/log.
func (n *Net) Machine(ctx context.Context, i, disk int, dir, authorized string) (*Machine, error) {
	m := &Machine{Name: fmt.Sprintf("m%03d", i+1)}
	m.dir = filepath.Join(dir, m.Name)
	var err error
	if m.Address, err = n.address(i); err != nil {
		return nil, err
	}
	if err := m.write(authorized); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(m.dir, "sshd.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	m.unit = exec.Command("nsenter", "--net=/proc/"+n.pid+"/ns/net", "unshare", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child",
		"sh", "-c", machineScript, "machine", m.Name, m.dir, fmt.Sprint(disk), User)
	m.unit.Stdout, m.unit.Stderr = log, log
	m.unit.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"}
	if err := m.unit.Start(); err != nil {
		return nil, err
	}
	return m, m.await(ctx)
}

// write lays the files by which the machine differs from this one.
func (m *Machine) write(authorized string) error {
	private, _, err := Key()
	if err != nil {
		return err
	}
	passwd, err := os.ReadFile("/etc/passwd")
	if err != nil {
		return err
	}
	user := fmt.Sprintf("%s:*:%s:%s::/home/%s:/bin/sh\n", User, userID, userID, User)
	for name, text := range map[string]string{
		"host_key": private, "authorized_keys": authorized, "passwd": strings.TrimRight(string(passwd), "\n") + "\n" + user,
		"machine-id": random(16) + "\n", "boot_id": bootID() + "\n", "sshd_config": m.config(),
	} {
		mode := os.FileMode(0o644)
		if name == "host_key" {
			mode = 0o600
		}
		if err := os.MkdirAll(m.dir, 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(m.dir, name), []byte(text), mode); err != nil {
			return err
		}
	}
	return nil
}

func (m *Machine) config() string {
	return strings.Join([]string{
		"ListenAddress " + m.Address, "Port " + port, "HostKey " + filepath.Join(m.dir, "host_key"),
		"UsePAM no", "PubkeyAuthentication yes", "PasswordAuthentication no", "MaxStartups 100", "MaxSessions 100",
		"PrintMotd no", "PidFile none", "Subsystem sftp internal-sftp", "",
	}, "\n")
}

func random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // it never fails
	return hex.EncodeToString(b)
}

func bootID() string {
	h := random(16)
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}

// await waits for sshd, and learns which process it is.
func (m *Machine) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		if c, err := net.DialTimeout("tcp", m.Place(), time.Second); err == nil {
			c.Close()
			break
		}
		select {
		case <-ctx.Done():
			said, _ := os.ReadFile(filepath.Join(m.dir, "sshd.log"))
			return fmt.Errorf("machine %s does not answer: %w: %s", m.Name, context.Cause(ctx), said)
		case <-tick.C:
		}
	}
	for _, p := range children(m.unit.Process.Pid) {
		m.root = p
	}
	if m.root == 0 {
		return fmt.Errorf("machine %s has no sshd", m.Name)
	}
	return nil
}

// Place is where its sshd listens.
func (m *Machine) Place() string { return net.JoinHostPort(m.Address, port) }

// Path is a path of the machine, as it is seen from here.
func (m *Machine) Path(elems ...string) string {
	return filepath.Join(append([]string{fmt.Sprintf("/proc/%d/root", m.root)}, elems...)...)
}

// Stop ends the machine and all on it.
func (m *Machine) Stop() {
	_ = m.unit.Process.Kill()
	_ = m.unit.Wait()
}
