package compute

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

func attach(a *frame.App) *cobra.Command {
	first := firstWord{"zaffre compute attach KIND NAME", "the kind of the target", "zaffre compute kinds"}
	cmd := byWord(a, "compute.attach", "attach KIND NAME [FLAGS OF THE KIND]", first, func(cmd *cobra.Command, s *frame.Session, kind string, rest []string) error {
		k, err := kindOf(cmd.Context(), a, s, kind)
		if err != nil {
			return err
		}
		return attachKind(a, cmd, s, k, rest)
	})
	cmd.ValidArgsFunction = frame.Names(a.KindNames)
	return cmd
}

// attachKind runs a command whose flags are the options of the kind.
func attachKind(a *frame.App, outer *cobra.Command, s *frame.Session, k client.Kind, args []string) error {
	t := &attaching{App: a, Session: s, kind: k}
	shared := false
	grants := false
	cmd := a.Command("compute.attach", k.Name+" NAME [FLAGS]", named(&grants), func(cmd *cobra.Command, args []string) error {
		if grants {
			return printGrants(a, k.Grants, t.values)
		}
		t.values.name = args[0]
		t.want = client.Compute{Name: args[0], Kind: k.Name, Shared: shared}
		return t.run(cmd.Context())
	})
	cmd.Long = k.Summary
	cmd.Example = strings.TrimRight("  zaffre compute attach "+k.Name+" box "+k.Example, " ")
	t.values = declare(a, cmd, k, byAttaching)
	cmd.Flags().BoolVar(&shared, "shared", false, a.Say("flag.attach.shared"))
	if k.GrantsFlag != "" {
		cmd.Flags().BoolVar(&grants, k.GrantsFlag, false, a.Say("flag.attach.grants"))
	}
	if bySSH(k) {
		cmd.Flags().BoolVar(&t.agent, "ssh-agent", false, a.Say("flag.attach.agent"))
		t.values.agent = &t.agent
	}
	return a.Nested(outer, cmd, args)
}

// attaching is a target on its way.
type attaching struct {
	*frame.App
	*frame.Session
	kind   client.Kind
	values *options
	agent  bool           // make a key for it, by logging in as ssh does
	want   client.Compute // what is asked for
	host   *sshHost       // what ssh knows of its address; nil: nothing
	before bool           // a target of the name was there
	unseen bool           // it is held to what it shows first, and nobody has compared that
	key    *targetKey     // that was made for it
}

// run asks the user what there is to ask, in an order in which nothing is told to the machine before the
// user knows who it is.
func (t *attaching) run(ctx context.Context) error {
	if err := t.checkAgent(); err != nil {
		return err
	}
	host, filled, err := t.values.fill(ctx, t.App, t.Session)
	if err != nil {
		return err
	}
	t.host = host
	if t.want.Options, err = t.values.given(t.App, filled); err != nil {
		return err
	}
	if err := t.trust(ctx); err != nil {
		return err
	}
	if t.agent {
		if err := t.enrol(ctx); err != nil {
			return err
		}
	}
	c, err := t.AttachCompute(ctx, t.WS, t.want)
	if err == nil {
		c, err = patiently(t.App, c.Name, func() (client.Compute, error) { return settled(ctx, t.Session, c) })
	}
	if err != nil {
		return err
	}
	t.after(ctx, c)
	return verdict(t.App, c)
}

// after says what was pinned unseen, and takes away keys that have no use any more.
func (t *attaching) after(ctx context.Context, c client.Compute) {
	if c.State == "Failed" {
		return
	}
	if k, print := keyOf(c.Pin[optHostKey]); t.unseen && c.Facts["host-key.demanded"] == "" && print != "" {
		t.Talk("talk.pinned", k, print, consoleCommand(k))
	}
	if t.key != nil && t.before {
		t.tidy(ctx)
	}
}
