package compute

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// jump returns what the target must go through, where ssh goes through a jump host: a target or an entry of
// the inventory, because the server needs a login of its own there.
func (v *options) jump(ctx context.Context, s *frame.Session, h *sshHost) ([]string, error) {
	hops, err := v.hops(h)
	if len(hops) == 0 || err != nil {
		return nil, err
	}
	found, err := bastions(ctx, s, v.name)
	if err != nil {
		return nil, err
	}
	var before string    // the hop before, where it is there or will be
	var missing []string // the commands that attach the others
	for _, one := range hops {
		at, err := h.look(ctx, h.home, one)
		if err != nil {
			return nil, err
		}
		if name := found.find(at); name != "" {
			before, missing = name, nil
			continue
		}
		name := slug(one.host)
		missing = append(missing, "run: "+v.command(h, one, at, name, before))
		before = name
	}
	if len(missing) == 0 {
		return []string{before}, nil
	}
	return nil, &fault.Error{
		Code: fault.Precondition, Reason: "JumpHostUnknown", What: fmt.Sprintf("cannot attach compute target %q", v.name),
		Why: fmt.Sprintf("ssh goes to %s through %s, which is no compute target of workspace %s and not in its inventory; the server needs a login of its own there", h.host, hops[len(hops)-1].host, s.WS),
		Fix: "attach it first; " + strings.Join(missing, "; then ") + "; then this command again; or say with --via what to go through, or with --ssh-config none that ssh is not to be asked",
	}
}

// hops are the jump hosts of ssh, the nearest first.
func (v *options) hops(h *sshHost) ([]hop, error) {
	var out []hop
	for _, list := range h.taken("proxyjump") {
		for one := range strings.SplitSeq(list, ",") {
			out = append(out, parseHop(one))
		}
	}
	command := h.taken("proxycommand")
	if len(out) > 0 || len(command) == 0 {
		return out, nil
	}
	if host := forwarder(command[0]); host != "" {
		return []hop{parseHop(host)}, nil
	}
	return nil, &fault.Error{
		Code: fault.Unsupported, Reason: "ProxyCommandUnusable", What: fmt.Sprintf("cannot attach compute target %q", v.name),
		Why: "ssh reaches " + h.host + " by a program on this machine (ProxyCommand), which the server has not", Evidence: command,
		Fix: "say with --via which compute target to go through, or with --ssh-config none that the server needs none",
	}
}

// forwarder returns the host of the old way to write ProxyJump: ssh -W %h:%p HOST.
func forwarder(command string) string {
	words := strings.Fields(command)
	i := slices.Index(words, "-W")
	if len(words) == 0 || i < 0 || i+1 >= len(words) || !strings.HasSuffix("/"+words[0], "/ssh") || strings.Trim(words[i+1], "[]") != "%h:%p" && words[i+1] != "[%h]:%p" {
		return ""
	}
	rest := slices.Concat(words[1:i], words[i+2:])
	rest = slices.DeleteFunc(rest, func(w string) bool { return w == "-q" || w == "-T" })
	if len(rest) != 1 || strings.HasPrefix(rest[0], "-") {
		return ""
	}
	return rest[0]
}

// places are what a server knows how to reach.
type places []struct{ name, address, port, user string }

// bastions lists the targets and the entries of the inventory; self is no jump host of itself.
func bastions(ctx context.Context, s *frame.Session, self string) (places, error) {
	var out places
	add := func(name string, address, port, user any) {
		p := struct{ name, address, port, user string }{name, textOf(address), textOf(port), textOf(user)}
		if p.port == "" {
			p.port = "22"
		}
		if p.address != "" && name != self {
			out = append(out, p)
		}
	}
	computes, err := frame.Collect(ctx, 0, func(p client.Cursor) (client.Page[client.Compute], error) { return s.Computes(ctx, s.WS, p) })
	if err != nil {
		return nil, err
	}
	for _, c := range computes {
		add(c.Name, c.Options[optAddress], c.Options[optPort], c.Options[optUser])
	}
	entries, err := frame.Collect(ctx, 0, func(p client.Cursor) (client.Page[client.InventoryEntry], error) { return s.Inventory(ctx, s.WS, p) })
	if err != nil && client.CodeOf(err) != client.CodeDenied {
		return nil, err
	}
	for _, e := range entries {
		add(e.ResourceID, e.Settings["address"], e.Settings["port"], e.Settings["user"])
	}
	return out, nil
}

func textOf(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

// find returns the one that ssh's jump host is, by preference with the same user.
func (p places) find(h *sshHost) string {
	name := ""
	for _, one := range p {
		if h == nil || !strings.EqualFold(one.address, h.set.first("hostname")) || one.port != h.set.first("port") {
			continue
		}
		if one.user == h.set.first("user") {
			return one.name
		}
		if name == "" {
			name = one.name
		}
	}
	return name
}

// command attaches a jump host.
func (v *options) command(target *sshHost, h hop, at *sshHost, name, via string) string {
	words := []string{"zaffre", "compute", "attach", v.kind.Name, name, "--address", shellWord(h.host)}
	add := func(path, value string) {
		if value != "" {
			words = append(words, "--"+v.flag(path), shellWord(value))
		}
	}
	add(optPort, h.port)
	add(optUser, h.user)
	add(optVia, via)
	if target.config != "" {
		words = append(words, "--ssh-config", shellWord(target.config))
	}
	if v.agent != nil && *v.agent || at == nil || at.taken("identityfile") == nil {
		words = append(words, "--ssh-agent")
	}
	return strings.Join(words, " ")
}

// slug makes a name of a host.
func slug(host string) string {
	const prefix, most = "jump-", 32
	name := strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || '0' <= r && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(host))
	name = strings.Trim(name, "-")
	name = strings.Trim(name[:min(len(name), most-len(prefix))], "-")
	switch {
	case name == "":
		return "jump"
	case len(name) < 2 || name[0] < 'a':
		return prefix + name
	}
	return name
}
