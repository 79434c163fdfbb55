package azure

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// account is whom the clients log in as.
type account struct{ principal, secretFile string }

// Env returns the command "env".
func Env(a *frame.App) *cobra.Command {
	var who account
	shell := "sh"
	cmd := a.Command("env", "env [--shell sh|fish] [--principal CLIENT-ID --secret-file FILE]", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		if !slices.Contains(shells(), shell) {
			return frame.Usage(&fault.Error{
				Code: fault.Invalid, Reason: "ShellUnknown", What: fmt.Sprintf("there is no output for the shell %q", shell),
				Why: "there are sh (for bash, zsh, dash and others) and fish", Fix: `run: eval "$(zaffre env)"`, Field: "shell",
			})
		}
		s, err := a.Connect()
		if err != nil {
			return err
		}
		vars, p, err := variables(cmd.Context(), a, s, who)
		if err != nil {
			return err
		}
		if err := p.writeBundle(); err != nil {
			return err
		}
		var names []string
		for _, v := range vars {
			names = append(names, v.Name)
		}
		if a.Output != "table" {
			return a.Print(vars, names, nil)
		}
		for _, v := range vars {
			fmt.Fprintln(a.Stdout, export(shell, v.Name, v.Value))
		}
		if frame.IsTerminal(a.Stdout) {
			a.Talk("talk.env", evalLine(shell))
		}
		return nil
	})
	f := cmd.Flags()
	f.StringVar(&shell, "shell", shell, a.Say("flag.env.shell"))
	f.StringVar(&who.principal, "principal", "", a.Say("flag.env.principal"))
	f.StringVar(&who.secretFile, "secret-file", "", a.Say("flag.env.secret"))
	_ = cmd.RegisterFlagCompletionFunc("shell", frame.Values(shells))
	return cmd
}

func shells() []string { return []string{"sh", "fish"} }

func evalLine(shell string) string {
	if shell == "fish" {
		return "zaffre env --shell fish | source"
	}
	return `eval "$(zaffre env)"`
}

// variables returns what Azure's clients need, secrets put in. It writes nothing.
func variables(ctx context.Context, a *frame.App, s *frame.Session, who account) ([]client.Variable, place, error) {
	server, err := s.Server(ctx)
	if err != nil {
		return nil, place{}, err
	}
	p, err := placeOf(a, s, server.ID)
	if err != nil {
		return nil, p, err
	}
	vars, err := s.ClientEnv(ctx, s.WS, client.EnvOptions{Bundle: p.bundle(), ConfigDir: p.config(), Principal: who.principal})
	if err != nil || who.principal == "" {
		return vars, p, err
	}
	return vars, p, who.fill(a, vars)
}

// fill puts a service principal's secret in.
func (w account) fill(a *frame.App, vars []client.Variable) error {
	if w.secretFile == "" {
		return frame.Usage(&fault.Error{
			Code: fault.Invalid, Reason: "SecretMissing", What: "the variables of a service principal need its secret",
			Why: "the server keeps no secrets of service principals", Fix: "give it with --secret-file, or make a new one; run: zaffre principal rotate " + w.principal,
		})
	}
	secret, err := a.ReadSecret(w.secretFile)
	if err != nil {
		return err
	}
	for i, v := range vars {
		switch {
		case !v.Secret:
		case v.Name == "IDENTITY_HEADER":
			vars[i].Value = w.principal + ":" + secret
		default:
			vars[i].Value = secret
		}
	}
	return nil
}

// export sets a variable in a shell's words, whatever its value holds.
func export(shell, name, value string) string {
	if shell == "fish" {
		return "set -gx " + name + " '" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value) + "'"
	}
	return "export " + name + "='" + strings.ReplaceAll(value, "'", `'\''`) + "'"
}
