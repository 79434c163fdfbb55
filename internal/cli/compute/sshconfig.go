package compute

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	xssh "golang.org/x/crypto/ssh"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

func sshConfig(a *frame.App) *cobra.Command {
	cmd := a.Command("compute.ssh-config", "ssh-config NAME", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		c, err := s.Compute(cmd.Context(), s.WS, args[0])
		if err != nil {
			return a.Suggest(err, args[0], a.ComputeNames)
		}
		key, err := sshKey(a)
		if err != nil {
			return err
		}
		known, err := knownHosts(a, key)
		if err != nil {
			return err
		}
		self, err := os.Executable()
		if err != nil {
			return sshFileFault(err)
		}
		proxy := []string{self}
		if dir := dataOf(a, s.Profile); dir != "" {
			proxy = append(proxy, "--data", dir)
		}
		proxy = append(proxy, "-w", s.WS, "compute", "ssh", "--stdio", c.Name)
		fmt.Fprintf(a.Stdout, "Host zaffre-%s\n  HostName %s\n  User zaffre\n  HostKeyAlias %s\n  UserKnownHostsFile %s\n  StrictHostKeyChecking yes\n  ProxyCommand %s\n",
			c.Name, c.Name, sshAlias, quoted(known), command(proxy))
		a.Next("ssh zaffre-" + c.Name)
		return nil
	})
	cmd.ValidArgsFunction = frame.Names(a.ComputeNames)
	return cmd
}

// dataOf returns the folder that --data must name, for a program that has not this environment.
func dataOf(a *frame.App, p client.Profile) string {
	if a.Data == "" && a.Getenv("ZAFFRE_DATA") == "" || filepath.Base(p.Path) != "client.json" {
		return ""
	}
	dir, err := filepath.Abs(filepath.Dir(p.Path))
	if err != nil {
		return filepath.Dir(p.Path)
	}
	return dir
}

// quoted is a file's name in ssh_config(5), which has tokens that start with %.
func quoted(name string) string { return `"` + strings.ReplaceAll(name, "%", "%%") + `"` }

// command is words for the shell that ssh starts, in ssh_config(5).
func command(words []string) string {
	var out []string
	for _, w := range words {
		out = append(out, strings.ReplaceAll("'"+strings.ReplaceAll(w, "'", `'\''`)+"'", "%", "%%"))
	}
	return strings.Join(out, " ")
}

// sshAlias is the name of our end in known_hosts.
const sshAlias = "zaffre"

// sshKey returns the key by which ssh on this machine knows our end of its connection, and makes it at
// the first use. Two at once make one: the first that is there counts.
func sshKey(a *frame.App) (xssh.Signer, error) {
	file := filepath.Join(sshDir(a), "host_key")
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		if err = makeKey(file); err == nil {
			b, err = os.ReadFile(file)
		}
	}
	if err != nil {
		return nil, sshFileFault(err)
	}
	key, err := xssh.ParsePrivateKey(b)
	if err != nil {
		return nil, sshFileFault(fmt.Errorf("%s: %w", file, err))
	}
	return key, nil
}

func sshDir(a *frame.App) string {
	return filepath.Join(filepath.Dir(client.LoginFile(a.Getenv)), "ssh")
}

func makeKey(file string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	block, err := xssh.MarshalPrivateKey(private, sshAlias)
	if err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(file), ".host_key-*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	if err := errors.Join(pem.Encode(temp, block), temp.Close()); err != nil {
		return err
	}
	if err := os.Link(temp.Name(), file); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

func knownHosts(a *frame.App, key xssh.Signer) (string, error) {
	file := filepath.Join(sshDir(a), "known_hosts")
	line := sshAlias + " " + string(xssh.MarshalAuthorizedKey(key.PublicKey()))
	if old, err := os.ReadFile(file); err == nil && string(old) == line {
		return file, nil
	}
	if err := os.WriteFile(file, []byte(line), 0o600); err != nil {
		return "", sshFileFault(err)
	}
	return file, nil
}

func sshFileFault(err error) error {
	return &fault.Error{
		Code: fault.Precondition, Reason: "SSHFilesUnusable", What: "the files for ssh on this machine cannot be used",
		Why: err.Error(), Fix: "make the folder writable, or set XDG_CONFIG_HOME to one that is",
	}
}
