package compute

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

func kinds(a *frame.App) *cobra.Command {
	cmd := a.Command("compute.kinds", "kinds [KIND]", cobra.MaximumNArgs(1), func(cmd *cobra.Command, args []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		if len(args) == 1 {
			k, err := kindOf(cmd.Context(), a, s, args[0])
			if err != nil {
				return err
			}
			return a.Print(k, []string{k.Name}, func() *frame.Table { return optionTable(a, k) })
		}
		found, err := s.Kinds(cmd.Context())
		if err != nil {
			return err
		}
		var names []string
		for _, k := range found {
			names = append(names, k.Name)
		}
		return a.Print(found, names, func() *frame.Table { return kindTable(a, found) })
	})
	cmd.ValidArgsFunction = frame.Names(a.KindNames)
	return cmd
}

func kindTable(a *frame.App, found []client.Kind) *frame.Table {
	t := &frame.Table{Header: []string{a.Say("col.kind"), a.Say("col.summary"), a.Say("col.can")}}
	for _, k := range found {
		t.Row(k.Name, k.Summary, strings.Join(k.Capabilities, " "))
	}
	return t
}

// optionTable has the flags of attach and create, and after them what runs say with --option.
func optionTable(a *frame.App, k client.Kind) *frame.Table {
	t := &frame.Table{Header: []string{a.Say("col.flag"), a.Say("col.type"), a.Say("col.default"), a.Say("col.help")}}
	for _, o := range k.Options {
		name := "--" + flagName(o)
		if o.Only == byMaking {
			name = "create " + name
		}
		optionRow(t, name, o)
	}
	for _, o := range k.JobOptions {
		optionRow(t, "run submit --option "+o.Path, o)
	}
	return t
}

func optionRow(t *frame.Table, name string, o client.Option) {
	kind := o.Type
	if o.Required {
		kind += "!"
	}
	def := ""
	if v := defaultOf(o); v != nil {
		def = fmt.Sprint(v)
	}
	t.Row(name, kind, def, o.Help)
}
