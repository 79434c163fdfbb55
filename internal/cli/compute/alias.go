package compute

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	xssh "golang.org/x/crypto/ssh"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// fill returns what the user's ssh knows of the address, as options for which no flag was given, and tells
// the user of them. An update takes nothing but from an alias, which stands for the whole.
func (v *options) fill(ctx context.Context, a *frame.App, s *frame.Session) (*sshHost, map[string]any, error) {
	if !bySSH(v.kind) || v.config == noConfig || !v.has(optAddress) {
		return nil, nil, nil
	}
	h, err := openSSH{v.config}.look(ctx, a.Getenv("HOME"), hop{user: v.text(optUser), host: v.text(optAddress), port: v.number(optPort)})
	if err != nil || h == nil {
		v.warnAlias(a, err)
		return nil, nil, err
	}
	if v.update && !h.alias() {
		return h, nil, nil
	}
	if !h.configured() {
		return h, v.me(h, nil), nil
	}
	filled := map[string]any{}
	if h.alias() {
		filled[optAddress] = h.set.first("hostname")
	}
	if p := h.taken("port"); p != nil && !v.has(optPort) {
		filled[optPort] = json.Number(p[0])
	}
	filled = v.me(h, filled)
	if err := v.fillKey(a, h, filled); err != nil {
		return h, nil, err
	}
	if !v.has(optVia) {
		if filled[optVia], err = v.jump(ctx, s, h); err != nil {
			return h, nil, err
		}
		if len(filled[optVia].([]string)) == 0 {
			delete(filled, optVia)
		}
	}
	v.tell(a, h, filled)
	return h, filled, nil
}

// me adds who to log in as: whom the configuration says, or, as ssh has it, who sits here.
func (v *options) me(h *sshHost, filled map[string]any) map[string]any {
	agent := v.agent != nil && *v.agent
	if v.has(optUser) || h.taken("user") == nil && (v.update || !agent && !h.configured()) {
		return filled
	}
	if filled == nil {
		filled = map[string]any{}
	}
	filled[optUser] = h.set.first("user")
	return filled
}

func (v *options) flag(path string) string {
	i := slices.IndexFunc(v.kind.Options, func(o client.Option) bool { return o.Path == path })
	return flagName(v.kind.Options[i])
}

func (v *options) has(path string) bool { return v.flags.Changed(v.flag(path)) }

func (v *options) text(path string) string { return v.flags.Lookup(v.flag(path)).Value.String() }

// number is the text of a flag that was given.
func (v *options) number(path string) string {
	if !v.has(path) {
		return ""
	}
	return v.text(path)
}

// fillKey takes the first private key that the configuration names and a server can use.
func (v *options) fillKey(a *frame.App, h *sshHost, filled map[string]any) error {
	files := h.taken("identityfile")
	if v.update || v.has(optKey) || v.has(optPassword) || v.agent != nil && *v.agent || len(files) == 0 {
		return nil
	}
	var why []string
	for _, f := range files {
		text, err := os.ReadFile(h.file(f))
		if err != nil {
			why = append(why, err.Error())
			continue
		}
		if phrase, usable := v.unlock(a, h.file(f), text); usable {
			filled[optKey], v.keyFile = string(text), h.file(f)
			if phrase != "" {
				filled[optPhrase] = phrase
			}
			return nil
		}
		why = append(why, h.file(f)+" holds no private key: an agent or a hardware key has it")
	}
	if v.flags.Changed("resource-id") {
		return nil // the inventory may have one
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "IdentityFileUnusable", What: fmt.Sprintf("cannot attach compute target %q", v.name),
		Why: "the configuration of ssh names no private key for " + h.host + " that a server could use: " + strings.Join(why, "; "),
		Fix: "have a key made for this target; run: " + v.again(h, "--ssh-agent") + "; or give a key or a password by a flag",
	}
}

// unlock reports whether a server can use a private key, and its passphrase, if it needs one and a user is
// there to ask.
func (v *options) unlock(a *frame.App, file string, text []byte) (phrase string, usable bool) {
	_, err := xssh.ParseRawPrivateKey(text)
	locked, isLocked := errors.AsType[*xssh.PassphraseMissingError](err)
	switch {
	case err == nil:
		return "", true
	case !isLocked || locked.PublicKey != nil && strings.HasPrefix(locked.PublicKey.Type(), "sk-"):
		return "", false
	}
	if in, ok := a.Stdin.(*os.File); ok && frame.IsTerminal(in) && !v.has(optPhrase) {
		phrase = askSecret(a, in, a.Say("attach.passphrase", file))
	}
	return phrase, true
}

// again is this very command, with one flag more.
func (v *options) again(h *sshHost, more string) string {
	words := []string{"zaffre", "compute", "attach", v.kind.Name, v.name, "--address", shellWord(h.host)}
	if v.config != "" {
		words = append(words, "--ssh-config", shellWord(v.config))
	}
	return strings.Join(append(words, more), " ")
}

// tell writes what was taken, as the flags that would have said it.
func (v *options) tell(a *frame.App, h *sshHost, filled map[string]any) {
	var words []string
	for _, o := range v.kind.Options {
		value, is := filled[o.Path]
		switch {
		case !is:
		case o.Path == optKey:
			words = append(words, "--"+flagName(o)+" "+shellWord(v.keyFile))
		case o.Secret:
		case o.Many:
			for _, one := range value.([]string) {
				words = append(words, "--"+flagName(o)+" "+shellWord(one))
			}
		default:
			words = append(words, "--"+flagName(o)+" "+shellWord(fmt.Sprint(value)))
		}
	}
	if len(words) > 0 {
		a.Talk("talk.sshconfig", h.host, strings.Join(words, " "))
	}
	if _, is := filled[optKey]; is {
		a.Talk("talk.sshkey")
	}
}

// warnAlias says that an address may be an alias, where there is no ssh to ask.
func (v *options) warnAlias(a *frame.App, err error) {
	if err != nil {
		return
	}
	if _, err := exec.LookPath("ssh"); err == nil {
		return
	}
	file := v.config
	if file == "" {
		file = filepath.Join(a.Getenv("HOME"), ".ssh", "config")
	}
	b, _ := os.ReadFile(file)
	for line := range strings.Lines(string(b)) {
		words := strings.Fields(strings.ReplaceAll(line, "=", " "))
		if len(words) > 1 && strings.EqualFold(words[0], "Host") && slices.Contains(words[1:], v.text(optAddress)) {
			a.Talk("talk.nossh", v.text(optAddress), file)
			return
		}
	}
}

// shellWord quotes a word for a shell, if it needs that.
func shellWord(w string) string {
	if w != "" && strings.Trim(w, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@%+=,") == "" {
		return w
	}
	return "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
}
