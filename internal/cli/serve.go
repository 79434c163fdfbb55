package cli

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/zaffre-ml/zaffre/internal/cli/frame"
	"github.com/zaffre-ml/zaffre/internal/config"
)

func serve(a *frame.App, env Env) *cobra.Command {
	cmd := a.Command("serve", "serve [--data DIR] [--listen HOST:PORT] [FLAGS]", cobra.NoArgs, nil)
	load := settings(a, cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := load()
		if err != nil {
			return err
		}
		return env.Serve(cmd.Context(), cfg, a.Stderr)
	}
	return cmd
}

func backup(a *frame.App, env Env) *cobra.Command {
	cmd := a.Command("backup", "backup FILE", cobra.ExactArgs(1), nil)
	load := settings(a, cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := load()
		if err != nil {
			return err
		}
		if err := env.Backup(cmd.Context(), cfg, args[0]); err != nil {
			return err
		}
		a.Talk("talk.backup", cfg.Data, args[0])
		a.Next("zaffre restore --data DIR " + args[0])
		return nil
	}
	return cmd
}

func restore(a *frame.App, env Env) *cobra.Command {
	cmd := a.Command("restore", "restore FILE", cobra.ExactArgs(1), nil)
	load := settings(a, cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := load()
		if err != nil {
			return err
		}
		if err := env.Restore(cmd.Context(), cfg, args[0]); err != nil {
			return err
		}
		a.Talk("talk.restore", args[0], cfg.Data)
		a.Next("zaffre serve --data " + cfg.Data)
		return nil
	}
	return cmd
}

func configCommand(a *frame.App) *cobra.Command {
	cmd := a.Command("config.show", "show [--data DIR] [FLAGS]", cobra.NoArgs, nil)
	load := settings(a, cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		cfg, err := load()
		if err != nil {
			return err
		}
		values := cfg.Values()
		var names []string
		for _, v := range values {
			names = append(names, v.Key)
		}
		return a.Print(values, names, func() *frame.Table {
			t := &frame.Table{Header: []string{a.Say("col.setting"), a.Say("col.value"), a.Say("col.source"), a.Say("col.help")}}
			for _, v := range values {
				t.Row(v.Key, v.Value, v.Source, v.Help)
			}
			return t
		})
	}
	return a.Noun("config", "config", cmd)
}

// settings gives a command the server's settings as flags, and returns what reads them, beside the
// file and the environment.
func settings(a *frame.App, cmd *cobra.Command) func() (config.Config, error) {
	f, file := cmd.Flags(), ""
	f.StringVar(&file, "config", "", a.Say("flag.config", config.FileName))
	for _, s := range config.Settings() {
		switch {
		case s.Key == "data": // all commands have it
		case s.Bool:
			f.Bool(s.Flag(), false, a.Say("flag.setting", s.Help, s.Env()))
		default:
			f.String(s.Flag(), "", a.Say("flag.setting", s.Help, s.Env())+defaultOf(a, s))
		}
	}
	return func() (config.Config, error) {
		src := config.Sources{File: file, Env: map[string]string{"HOME": a.Getenv("HOME")}, Flags: map[string]string{}}
		given := map[string]string{}
		f.Visit(func(g *pflag.Flag) { given[g.Name] = g.Value.String() })
		for _, s := range config.Settings() {
			if v := a.Getenv(s.Env()); v != "" {
				src.Env[s.Env()] = v
			}
			if v, ok := given[s.Flag()]; ok {
				src.Flags[s.Key] = v
			}
		}
		return config.Load(src)
	}
}

func defaultOf(a *frame.App, s config.Setting) string {
	if s.Default == "" {
		return ""
	}
	return " " + a.Say("flag.default", fmt.Sprint(s.Default))
}
