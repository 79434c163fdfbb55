package azure

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// finding is what one check of the doctor found.
type finding struct {
	Check string        `json:"check"`
	OK    bool          `json:"ok"`
	Found string        `json:"found,omitempty"`
	Fault *client.Fault `json:"fault,omitempty"`
}

// Doctor returns the command "doctor".
func Doctor(a *frame.App) *cobra.Command {
	return a.Command("doctor", "doctor", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		found := examine(cmd.Context(), a)
		bad := false
		for _, f := range found {
			bad = bad || !f.OK
		}
		err := a.Print(found, checksOf(found), func() *frame.Table {
			t := &frame.Table{Header: []string{a.Say("col.check"), "", a.Say("col.found")}}
			for _, f := range found {
				t.Row(f.Check, mark(f.OK), f.Found)
			}
			return t
		})
		if err != nil || !bad {
			return err
		}
		for _, f := range found {
			if f.Fault != nil {
				a.TellFault(f.Fault)
			}
		}
		return frame.Exit(frame.ExitFailed)
	})
}

func mark(ok bool) string {
	if ok {
		return "✓"
	}
	return "✗"
}

func checksOf(found []finding) []string {
	var names []string
	for _, f := range found {
		if !f.OK {
			names = append(names, f.Check)
		}
	}
	return names
}

// note makes a finding of what a check returned.
func note(check, found string, err error) finding {
	f := finding{Check: check, OK: err == nil, Found: found}
	if err != nil {
		f.Fault = frame.View(err)
		f.Found = f.Fault.Detail
	}
	return f
}

const (
	answerWithin = 10 * time.Second
	// maxSkew is how far a clock may be off: the clients refuse tokens that are not yet good, and
	// certificates too.
	maxSkew = time.Minute
)

// examine makes all checks that can be made.
func examine(ctx context.Context, a *frame.App) []finding {
	ctx, cancel := context.WithTimeoutCause(ctx, answerWithin, context.DeadlineExceeded)
	defer cancel()
	found := []finding{note("strangers", "", strangers(a.Getenv))}
	s, err := a.Connect()
	if err != nil {
		return append(found, note("login", "", err))
	}
	found = append(found, note("proxy", "", proxies(a.Getenv, s.URL())))
	begin := time.Now()
	clock, err := s.Clock(ctx)
	took := time.Since(begin)
	if err != nil {
		return append(found, note("server", "", away(err)))
	}
	found = append(found, note("server", s.URL(), nil))
	skew := clock.Sub(begin.Add(took / 2)).Round(time.Second)
	found = append(found, note("clock", skew.String(), skewed(skew)))
	vars, p, err := variables(ctx, a, s, account{})
	if err != nil {
		return append(found, note("login", "", err))
	}
	found = append(found, note("login", s.Profile.Path, nil), note("variables", "", p.compare(a.Getenv, vars)),
		note("credential", "", p.credential(ctx, a.Getenv, s.URL())))
	trusted, err := p.trusts(ctx, a.Getenv, s.URL())
	found = append(found, note("ca", trusted, err))
	home := a.Getenv("HOME")
	cfg, err := s.WorkspaceConfig(ctx, s.WS)
	if err == nil {
		err = caches(a.Getenv("AZURE_CONFIG_DIR"), home, s.URL(), cfg.Subscription)
	}
	found = append(found, note("caches", "", err))
	return append(found, note("logins", "", logins(a.Getenv("AZURE_CONFIG_DIR"), home, cfg.Subscription)))
}

// away says what it means for Azure's clients that the server does not answer.
func away(err error) error {
	f := frame.View(err)
	return &client.Fault{
		Code: f.Code, Reason: f.Reason, Title: f.Title, Detail: f.Detail + "; without it azure-ai-ml goes to the public cloud in silence",
		Fix: f.Fix, Evidence: f.Evidence,
	}
}

func skewed(skew time.Duration) error {
	if skew.Abs() <= maxSkew {
		return nil
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "ClockSkewed", What: "the clocks of this machine and of the server differ",
		Why: "the server's is " + skew.String() + " ahead: tokens and certificates seem to be of another time", Fix: "set both by NTP, for example: timedatectl set-ntp true",
	}
}
