package compute

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"

	xssh "golang.org/x/crypto/ssh"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// trust settles which host key the target is held to, before anything logs in there: the one that the
// user's known_hosts has, or the one to which the user says yes. Without a user to ask it is the first
// that the server sees. What is held to a key already is asked nothing.
func (t *attaching) trust(ctx context.Context) error {
	if !slices.Contains(t.kind.Capabilities, "identity") {
		return nil
	}
	old, err := t.Compute(ctx, t.WS, t.want.Name)
	t.before = err == nil
	if t.before && old.Pin[optHostKey] != "" {
		t.want.Pin = map[string]string{optHostKey: old.Pin[optHostKey]}
	}
	if _, demanded := t.want.Options[optHostKey]; demanded || t.want.Pin != nil {
		return nil
	}
	known, authority := t.host.known(ctx)
	asks := frame.IsTerminal(t.Stdin) && frame.IsTerminal(t.Stderr)
	if known == "" && !asks {
		t.unseen = true
		return nil
	}
	who, err := t.identify(ctx, known)
	switch {
	case client.CodeOf(err) == client.CodeUnsupported:
		return nil
	case err != nil:
		return err
	case known != "":
		t.Talk("talk.knownhost", who.Facts["address"], who.Facts["host-key"])
	case who.Facts["host-key.demanded"] == "":
		if err := t.ask(ctx, who); err != nil {
			return err
		}
	}
	if authority {
		t.want.Options[optHostKey] = known
		return nil
	}
	t.want.Pin = who.Pin
	return nil
}

// identify asks the server who answers at the address. It gets no secret for that.
func (t *attaching) identify(ctx context.Context, known string) (client.Identity, error) {
	q := t.want
	q.Options = map[string]any{}
	for _, o := range t.kind.Options {
		if v, is := t.want.Options[o.Path]; is && !o.Secret {
			q.Options[o.Path] = v
		}
	}
	if known != "" {
		q.Options[optHostKey] = known
	}
	who, err := t.IdentifyCompute(ctx, t.WS, q)
	if f, ok := errors.AsType[*client.Fault](err); ok && known != "" && f.Reason == "HostKeyRefused" {
		return who, t.strange(f)
	}
	return who, err
}

// strange is for a machine that shows the server another key than known_hosts has.
func (t *attaching) strange(f *client.Fault) error {
	shown := "SHA256:…"
	for _, e := range f.Evidence {
		if words := strings.Fields(e); len(words) == 3 && words[0] == "shown" {
			shown = words[2]
		}
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "HostKeyUnknown", What: fmt.Sprintf("cannot attach compute target %q", t.want.Name),
		Why: "the machine shows the server another host key than the one that ssh on this machine knows for " + t.host.knownAs(), Evidence: f.Evidence,
		Fix: "find out why: was it set up anew, or does another machine answer the server? if what it shows is right, say so with --host-key " + shown + ", and to ssh with: ssh-keygen -R " + shellWord(t.host.knownAs()),
	}
}

// knownAs is the name under which ssh knows a host's keys. Source: ssh(1), known_hosts.
func (h *sshHost) knownAs() string {
	if a := h.set.first("hostkeyalias"); a != "" {
		return a
	}
	name := strings.ToLower(h.set.first("hostname"))
	if p := h.set.first("port"); p != "22" {
		return "[" + name + "]:" + p
	}
	return name
}

// known returns the lines of known_hosts that ssh would look at, and whether the key of an authority is
// among them: "" where it knows nothing.
func (h *sshHost) known(ctx context.Context) (lines string, authority bool) {
	if h == nil {
		return "", false
	}
	var found []string
	for _, key := range []string{"userknownhostsfile", "globalknownhostsfile"} {
		for file := range strings.FieldsSeq(h.set.first(key)) {
			out, err := exec.CommandContext(ctx, "ssh-keygen", "-F", h.knownAs(), "-f", h.file(file)).Output()
			if err != nil {
				continue // it is not there, or nothing in it
			}
			for line := range strings.Lines(string(out)) {
				line = strings.TrimSpace(line)
				if line == "" || line[0] == '#' || strings.HasPrefix(line, "@revoked") || slices.Contains(found, line) {
					continue
				}
				found = append(found, line)
				authority = authority || strings.HasPrefix(line, "@cert-authority")
			}
		}
	}
	return strings.Join(found, "\n"), authority
}

// ask shows who answers, and goes on when the user says that it is the right one.
func (t *attaching) ask(ctx context.Context, who client.Identity) error {
	print, kind := who.Facts["host-key"], who.Facts["host-key.type"]
	fmt.Fprintln(t.Stderr, t.Say("attach.shows", t.place(who), kind, print, consoleCommand(kind)))
	for {
		fmt.Fprint(t.Stderr, t.Say("attach.ask"))
		line, err := readLine(ctx, t.Stdin)
		if ctx.Err() != nil {
			fmt.Fprintln(t.Stderr)
			return context.Cause(ctx)
		}
		switch answer := strings.TrimSpace(line); {
		case strings.EqualFold(answer, "yes"), answer == "はい", answer == print:
			return nil
		case err != nil, strings.EqualFold(answer, "no"), answer == "いいえ":
			return &fault.Error{
				Code: fault.Precondition, Reason: "HostKeyNotAccepted", What: fmt.Sprintf("compute target %q was not attached", t.want.Name),
				Why: "nobody said that the machine is the right one; nothing was sent to it",
				Fix: "read the key at its console: " + consoleCommand(kind) + "; then say it with --host-key SHA256:…",
			}
		}
	}
}

// place is the address, and through what it was reached.
func (t *attaching) place(who client.Identity) string {
	place := who.Facts["address"]
	if via, ok := t.want.Options[optVia].([]string); ok && len(via) > 0 {
		place += " (" + t.Say("attach.via", strings.Join(via, ", ")) + ")"
	}
	return place
}

// readLine reads a line and nothing after it: that may be for ssh. A terminal cannot be asked to stop
// reading, so that the reading ends with the program where ctx ends first.
func readLine(ctx context.Context, in io.Reader) (string, error) {
	type result struct {
		line string
		err  error
	}
	got := make(chan result, 1)
	go func() {
		var line []byte
		for one := make([]byte, 1); ; {
			n, err := in.Read(one)
			if n == 1 && one[0] != '\n' {
				line = append(line, one[0])
			}
			if err != nil || n == 1 && one[0] == '\n' {
				got <- result{string(line), err}
				return
			}
		}
	}()
	select {
	case r := <-got:
		return r.line, r.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// keyOf returns the type and the fingerprint of a key; "" if it is none.
func keyOf(line string) (kind, print string) {
	k, _, _, _, err := xssh.ParseAuthorizedKey([]byte(line))
	if err != nil {
		return "", ""
	}
	return k.Type(), xssh.FingerprintSHA256(k)
}

// consoleCommand shows a host key on the machine itself.
func consoleCommand(keyType string) string {
	name := "ed25519"
	switch {
	case keyType == xssh.KeyAlgoRSA:
		name = "rsa"
	case strings.HasPrefix(keyType, "ecdsa-"):
		name = "ecdsa"
	}
	return "ssh-keygen -lf /etc/ssh/ssh_host_" + name + "_key.pub"
}
