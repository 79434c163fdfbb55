package inventory

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

func add(a *frame.App) *cobra.Command {
	var secrets, allow []string
	cmd := a.Command("inventory.add", "add RESOURCE-ID [FIELD=VALUE…] [--secret FIELD=FILE]", cobra.MinimumNArgs(1), func(cmd *cobra.Command, args []string) error {
		e := client.InventoryEntry{ResourceID: args[0], Settings: map[string]string{}, Secrets: map[string]string{}}
		if cmd.Flags().Changed("allow") {
			e.Allow = allow
		}
		for _, arg := range args[1:] {
			name, value, err := pair(arg, "address=10.0.0.4")
			if err != nil {
				return err
			}
			e.Settings[name] = value
		}
		for _, arg := range secrets {
			name, file, err := pair(arg, "privateKey=FILE")
			if err != nil {
				return err
			}
			if e.Secrets[name], err = secretOf(a, file); err != nil {
				return err
			}
		}
		s, err := a.Connect()
		if err != nil {
			return err
		}
		if e, err = s.AddInventoryEntry(cmd.Context(), s.WS, e); err != nil {
			return err
		}
		return printOne(a, e)
	})
	cmd.Flags().StringArrayVar(&secrets, "secret", nil, a.Say("flag.inventory.secret"))
	cmd.Flags().StringArrayVar(&allow, "allow", nil, a.Say("flag.inventory.allow"))
	cmd.ValidArgsFunction = frame.Names(a.ResourceNames)
	return cmd
}

// secretOf reads a secret; no file takes away the one that there is.
func secretOf(a *frame.App, file string) (string, error) {
	if file == "" {
		return "", nil
	}
	return a.ReadSecret(file)
}

func pair(arg, example string) (name, value string, err error) {
	name, value, ok := strings.Cut(arg, "=")
	if ok && name != "" {
		return name, value, nil
	}
	return "", "", frame.Usage(&fault.Error{
		Code: fault.Invalid, Reason: "FieldInvalid", What: "an argument is no field with its value",
		Why: "it has no name and no equals sign", Fix: "write for example " + example + "; run: zaffre inventory add --help",
	})
}
