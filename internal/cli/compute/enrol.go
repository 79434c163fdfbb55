package compute

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	xssh "golang.org/x/crypto/ssh"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// targetKey is a key that was made for one target. The server has its private part, nobody else.
type targetKey struct {
	marker string // the comment that tells it from others: zaffre:WORKSPACE/NAME@SERVER
	line   string // of authorized_keys
}

// keyOptions let the server do with the key what it does: commands, terminals, and, for machines behind
// this one, connections. Agents, X11 and ~/.ssh/rc are not for it. Source: sshd(8), AUTHORIZED_KEYS.
const keyOptions = "restrict,pty,port-forwarding"

// newTargetKey makes a key.
func newTargetKey(marker string) (targetKey, string, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return targetKey{}, "", err
	}
	signer, err := xssh.NewSignerFromKey(private)
	if err != nil {
		return targetKey{}, "", err
	}
	block, err := xssh.MarshalPrivateKey(private, marker)
	if err != nil {
		return targetKey{}, "", err
	}
	public := strings.TrimSpace(string(xssh.MarshalAuthorizedKey(signer.PublicKey())))
	return targetKey{marker: marker, line: keyOptions + " " + public + " " + marker}, string(pem.EncodeToMemory(block)), nil
}

// authorizeScript puts a line into authorized_keys. It writes the file anew and in one step, so that nobody
// is locked out if it is interrupted. With alone the older keys of the target go.
func (k targetKey) authorizeScript(alone bool) string {
	filter := "cat"
	if alone {
		filter = "grep -v ' " + strings.ReplaceAll(k.marker, ".", `\.`) + "$'"
	}
	return fmt.Sprintf(authorize, k.line, filter)
}

const authorize = `set -eu
new='%s'
umask 077
mkdir -p "$HOME/.ssh"
file=$HOME/.ssh/authorized_keys
if [ -L "$file" ]; then file=$(readlink -f "$file"); fi
temp=$file.zaffre.$$
trap 'rm -f "$temp"' EXIT
if [ -e "$file" ]; then cp -p "$file" "$temp"; else : >"$file"; : >"$temp"; fi
{ { cat "$file"; if [ -n "$(tail -c 1 "$file")" ]; then echo; fi; } | { grep -vxF "$new" || [ $? -eq 1 ]; } | { %s || [ $? -eq 1 ]; }; printf '%%s\n' "$new"; } >"$temp"
mv "$temp" "$file"
if [ -x /sbin/restorecon ]; then /sbin/restorecon -F "$HOME/.ssh" "$file" || :; fi
`

// removeCommand takes the key back.
func (k targetKey) removeCommand(ssh string) string {
	return ssh + ` 'sed -i "\| ` + k.marker + `|d" .ssh/authorized_keys'`
}

// checkAgent refuses what makes no sense beside --ssh-agent.
func (t *attaching) checkAgent() error {
	if !t.agent {
		return nil
	}
	why := ""
	switch {
	case !t.values.has(optAddress):
		why = "ssh is told where to log in by --" + t.values.flag(optAddress)
	case t.values.has(optKey), t.values.has(optPassword):
		why = "a key is made for the target, and no other key or password is needed"
	default:
		return nil
	}
	return frame.Usage(&fault.Error{
		Code: fault.Invalid, Reason: "FlagInvalid", What: "--ssh-agent does not fit the other flags", Why: why,
		Fix: "run: zaffre compute attach " + t.kind.Name + " " + t.want.Name + " --help",
	})
}

// enrol makes a key for the target and has it accepted there, by a login of the user's own ssh: an agent's
// keys and those in hardware cannot be given to a server.
func (t *attaching) enrol(ctx context.Context) error {
	server, err := t.Server(ctx)
	if err != nil {
		return err
	}
	key, private, err := newTargetKey(fmt.Sprintf("zaffre:%s/%s@%s", t.WS, t.want.Name, server.ID))
	if err != nil {
		return err
	}
	words, done, err := t.login()
	if err != nil {
		return err
	}
	defer done()
	cmd := exec.CommandContext(ctx, "ssh", append(words, "sh -s")...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(key.authorizeScript(!t.before)), t.Stderr, t.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		return t.loginFault(ctx, err)
	}
	t.key = &key
	t.want.Options[optKey] = private
	ssh := append([]string{"ssh"}, t.sshWords()...)
	for i, w := range ssh {
		ssh[i] = shellWord(w)
	}
	t.Talk("talk.enrolled", key.marker, key.removeCommand(strings.Join(ssh, " ")))
	return nil
}

// sshWords are the arguments that a user would give to ssh.
func (t *attaching) sshWords() []string {
	h := hop{user: t.values.text(optUser), host: t.values.text(optAddress), port: t.values.number(optPort)}
	words := h.args()
	words = append(words[:len(words)-2], h.host) // without --
	if t.values.config != "" {
		words = append([]string{"-F", t.values.config}, words...)
	}
	return words
}

// login returns the arguments for ssh to log in and run a command. What the user agreed to is the only key
// that it accepts then, so that it asks nothing again.
func (t *attaching) login() (words []string, done func(), err error) {
	words = []string{"-T", "-o", "RemoteCommand=none", "-o", "ControlMaster=no", "-o", "ClearAllForwardings=yes"}
	if !frame.IsTerminal(t.Stdin) {
		words = append(words, "-o", "BatchMode=yes")
	}
	done = func() {}
	if pin := t.want.Pin[optHostKey]; pin != "" {
		f, err := os.CreateTemp("", "zaffre-known-*")
		if err != nil {
			return nil, done, sshFileFault(err)
		}
		done = func() { _ = os.Remove(f.Name()) }
		const alias = "zaffre-target"
		_, err = io.WriteString(f, alias+" "+pin+"\n")
		if closing := f.Close(); err != nil || closing != nil {
			done()
			return nil, func() {}, sshFileFault(err)
		}
		words = append(words, "-o", "HostKeyAlias="+alias, "-o", "StrictHostKeyChecking=yes", "-o", "GlobalKnownHostsFile=none", "-o", "UserKnownHostsFile="+f.Name())
	}
	return append(words, t.sshWords()...), done, nil
}

func (t *attaching) loginFault(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "SSHLoginFailed", What: fmt.Sprintf("cannot attach compute target %q", t.want.Name),
		Why: "ssh on this machine could not add a key there (" + err.Error() + "); its words stand above",
		Fix: "see that this works first: ssh " + strings.Join(t.sshWords(), " ") + " true",
	}
}

// tidy takes the older keys of the target away, now that the new one is in use. It goes through the server,
// which needs no second login of the user.
func (t *attaching) tidy(ctx context.Context) {
	exit := -1
	sh, err := t.OpenShell(ctx, t.WS, t.want.Name, client.ShellRequest{Command: []string{"sh", "-c", t.key.authorizeScript(true)}})
	if err == nil {
		defer sh.Close()
		go func() { _ = sh.Send(strings.NewReader("")) }()
		exit, err = sh.Wait(io.Discard, io.Discard)
	}
	if err != nil || exit != 0 {
		t.Talk("talk.oldkeys", t.key.marker)
	}
}
