package frame

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Run is what a command does.
type Run func(cmd *cobra.Command, args []string) error

// Command makes a verb whose texts stand in the catalogue under key. use is the verb and its
// arguments; args says how many there are.
func (a *App) Command(key, use string, args cobra.PositionalArgs, run Run) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: a.Say(key + ".short"), Long: a.Say(key + ".long"), Example: a.Say(key + ".example"),
		Args: a.arguments(args), RunE: run, DisableFlagsInUseLine: true,
	}
	cmd.SetFlagErrorFunc(a.flagError)
	cmd.Flags().BoolP("help", "h", false, a.Say("flag.help"))
	return cmd
}

// Noun makes a command that has verbs.
func (a *App) Noun(key, use string, verbs ...*cobra.Command) *cobra.Command {
	cmd := a.Command(key, use, cobra.ArbitraryArgs, func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		return a.unknownVerb(cmd, args[0])
	})
	cmd.AddCommand(verbs...)
	return cmd
}

func (a *App) unknownVerb(cmd *cobra.Command, written string) error {
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return Usage(&fault.Error{
		Code: fault.Invalid, Reason: "CommandUnknown", What: fmt.Sprintf("there is no command %q", cmd.CommandPath()+" "+written),
		Why: "the commands here are " + strings.Join(names, ", "),
		Fix: "run: " + cmd.CommandPath() + " --help" + a.DidYouMean(written, names),
	})
}

func (a *App) arguments(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		err := check(cmd, args)
		if err == nil {
			return nil
		}
		if _, ok := errors.AsType[*fault.Error](err); ok {
			return Usage(err)
		}
		return Usage(&fault.Error{
			Code: fault.Invalid, Reason: "ArgumentsInvalid", What: "the arguments do not fit: " + cmd.UseLine(),
			Why: err.Error(), Fix: "run: " + cmd.CommandPath() + " --help",
		})
	}
}

func (a *App) flagError(cmd *cobra.Command, err error) error {
	if errors.Is(err, pflag.ErrHelp) {
		return err
	}
	hint := ""
	if e, ok := errors.AsType[*pflag.NotExistError](err); ok {
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
		cmd.InheritedFlags().VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
		hint = a.DidYouMean("--"+e.GetSpecifiedName(), names)
	}
	return Usage(&fault.Error{
		Code: fault.Invalid, Reason: "FlagInvalid", What: "a flag of " + cmd.CommandPath() + " cannot be used",
		Why: flagWhy(err), Fix: "run: " + cmd.CommandPath() + " --help" + hint,
	})
}

// flagWhy says what a value should be in place of what its parser says, where that is a number or a time.
func flagWhy(err error) string {
	e, ok := errors.AsType[*pflag.InvalidValueError](err)
	if !ok {
		return err.Error()
	}
	want := ""
	switch e.GetFlag().Value.Type() {
	case "int", "int64", "uint":
		want = "a whole number"
	case "float64":
		want = "a number"
	case "bool":
		want = "true or false"
	case "duration":
		want = "a time like 90s, 15m or 2h30m"
	default:
		return err.Error()
	}
	return fmt.Sprintf("--%s takes %s, and %q is none", e.GetFlag().Name, want, e.GetValue())
}

// Names returns a completion from what list gives, for the first argument.
func Names(list func() []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return startingWith(list(), prefix), cobra.ShellCompDirectiveNoFileComp
	}
}

// Values returns a completion for a flag's value.
func Values(list func() []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
		return startingWith(list(), prefix), cobra.ShellCompDirectiveNoFileComp
	}
}

func startingWith(names []string, prefix string) []string {
	var out []string
	for _, n := range names {
		if strings.HasPrefix(n, prefix) {
			out = append(out, n)
		}
	}
	return out
}

// TakeGlobals sets the flags that all commands have and returns the other arguments: for a command
// whose flags are not parsed. help says that the help was asked for.
func (a *App) TakeGlobals(cmd *cobra.Command, args []string) (rest []string, help bool, err error) {
	global := cmd.Root().PersistentFlags()
	for i := 0; i < len(args); i++ {
		arg := args[i]
		name, value, has := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		f := global.Lookup(name)
		switch {
		case strings.HasPrefix(arg, "--"):
		case strings.HasPrefix(arg, "-") && len(name) == 1:
			f = global.ShorthandLookup(name)
		default:
			f = nil
		}
		if f == nil {
			help = help || arg == "-h" || arg == "--help"
			rest = append(rest, arg)
			continue
		}
		if !has {
			if i++; i == len(args) {
				return nil, false, a.flagError(cmd, fmt.Errorf("flag needs an argument: %s", arg))
			}
			value = args[i]
		}
		if err := global.Set(f.Name, value); err != nil {
			return nil, false, a.flagError(cmd, err)
		}
	}
	return rest, help, a.CheckOutput()
}

// Nested runs a command that was made while another one, whose flags were not parsed, was running.
func (a *App) Nested(outer, inner *cobra.Command, args []string) error {
	inner.SilenceErrors, inner.SilenceUsage = true, true
	inner.SetOut(a.Stdout)
	inner.SetErr(a.Stderr)
	inner.SetUsageTemplate(outer.Root().UsageTemplate())
	name, _, _ := strings.Cut(inner.Use, " ")
	inner.Annotations = map[string]string{cobra.CommandDisplayNameAnnotation: outer.CommandPath() + " " + name}
	inner.SetArgs(args)
	return inner.ExecuteContext(outer.Context())
}
