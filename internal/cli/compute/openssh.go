package compute

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// The options by which kinds that are reached by SSH are told where and as whom, and whose host key it is.
const (
	optAddress  = "address"
	optPort     = "sshPort"
	optUser     = "administratorAccount.username"
	optPassword = "administratorAccount.password"
	optKey      = "administratorAccount.privateKeyData"
	optPhrase   = "administratorAccount.passphrase"
	optVia      = "via"
	optHostKey  = "hostKey"
)

// bySSH reports whether targets of a kind are reached by SSH.
func bySSH(k client.Kind) bool {
	for _, path := range []string{optAddress, optPort, optUser, optPassword, optKey, optVia, optHostKey} {
		if !slices.ContainsFunc(k.Options, func(o client.Option) bool { return o.Path == path }) {
			return false
		}
	}
	return true
}

// noConfig is the configuration of ssh in which nothing stands: see ssh(1), -F.
const noConfig = "none"

// openSSH is the user's own ssh: it reads its configuration with all that Include and Match do there.
type openSSH struct {
	config string // a file; "" is ssh's own
}

func (o openSSH) args() []string {
	if o.config == "" {
		return nil
	}
	return []string{"-F", o.config}
}

// settings are what ssh does with a host: values by keyword, in lower case.
type settings map[string][]string

func (s settings) first(key string) string {
	if len(s[key]) == 0 {
		return ""
	}
	return s[key][0]
}

// ask returns what ssh would do. The error is exec.ErrNotFound where there is no ssh on this machine.
func (o openSSH) ask(ctx context.Context, h hop) (settings, error) {
	args := append(o.args(), "-G")
	args = append(args, h.args()...)
	var out, said bytes.Buffer
	cmd := exec.CommandContext(ctx, "ssh", args...)
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		if _, ended := errors.AsType[*exec.ExitError](err); !ended {
			return nil, err
		}
		return nil, &fault.Error{
			Code: fault.Invalid, Reason: "SSHConfigUnreadable", What: "ssh on this machine does not say what it knows of " + h.host,
			Why: cmp.Or(strings.TrimSpace(said.String()), err.Error()), Fix: "mend its configuration, or look nothing up there: --ssh-config none",
		}
	}
	s := settings{}
	for lines := bufio.NewScanner(&out); lines.Scan(); {
		key, value, _ := strings.Cut(lines.Text(), " ")
		s[key] = append(s[key], value)
	}
	return s, nil
}

// hop is a host as ssh is told of it: an alias or an address, and what was said beside it.
type hop struct{ user, host, port string }

// parseHop reads a host of ProxyJump. Source: ssh_config(5), [user@]host[:port] or ssh://….
func parseHop(s string) hop {
	s = strings.TrimSuffix(strings.TrimPrefix(s, "ssh://"), "/")
	var h hop
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		h.user, s = s[:i], s[i+1:]
	}
	if i := strings.LastIndexByte(s, ':'); i >= 0 && (strings.Count(s, ":") == 1 || strings.HasPrefix(s, "[")) && !strings.HasSuffix(s, "]") {
		s, h.port = s[:i], s[i+1:]
	}
	h.host = strings.Trim(s, "[]")
	return h
}

func (h hop) args() []string {
	var args []string
	if h.user != "" {
		args = append(args, "-l", h.user)
	}
	if h.port != "" {
		args = append(args, "-p", h.port)
	}
	return append(args, "--", h.host)
}

// sshHost is what ssh does with a host, and what it would do without any configuration.
type sshHost struct {
	openSSH
	hop
	home       string
	set, plain settings
}

// look asks ssh about a host. It returns nil where there is no ssh, or the host is nothing that ssh takes.
func (o openSSH) look(ctx context.Context, home string, h hop) (*sshHost, error) {
	if h.host == "" || strings.HasPrefix(h.host, "-") {
		return nil, nil
	}
	set, err := o.ask(ctx, h)
	if errors.Is(err, exec.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	plain, err := openSSH{noConfig}.ask(ctx, h)
	if err != nil {
		return nil, err
	}
	return &sshHost{openSSH: o, hop: h, home: home, set: set, plain: plain}, nil
}

// taken returns what the configuration says for a keyword; nil where it says nothing.
func (h *sshHost) taken(key string) []string {
	if slices.Equal(h.set[key], h.plain[key]) {
		return nil
	}
	return h.set[key]
}

// alias reports whether the host has another name than the one it was given by.
func (h *sshHost) alias() bool { return !strings.EqualFold(h.set.first("hostname"), h.host) }

// configured reports whether the configuration says anything of how to get there.
func (h *sshHost) configured() bool {
	return h.alias() || slices.ContainsFunc([]string{"user", "port", "identityfile", "proxyjump", "proxycommand"}, func(key string) bool { return h.taken(key) != nil })
}

// file returns the file that a value names. Source: ssh_config(5), TOKENS.
func (h *sshHost) file(value string) string {
	me := ""
	if u, err := user.Current(); err == nil {
		me = u.Username
	}
	value = strings.NewReplacer("%%", "%", "%d", h.home, "%h", h.set.first("hostname"), "%n", h.host, "%p", h.set.first("port"), "%r", h.set.first("user"), "%u", me).Replace(value)
	value = os.Expand(value, func(name string) string { return os.Getenv(name) })
	if rest, ok := strings.CutPrefix(value, "~/"); ok {
		return filepath.Join(h.home, rest)
	}
	return value
}
