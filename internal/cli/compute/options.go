package compute

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// kindOf returns a kind of compute target.
func kindOf(ctx context.Context, a *frame.App, s *frame.Session, name string) (client.Kind, error) {
	found, err := s.Kinds(ctx)
	if err != nil {
		return client.Kind{}, err
	}
	if i := slices.IndexFunc(found, func(k client.Kind) bool { return k.Name == name }); i >= 0 {
		return found[i], nil
	}
	var names []string
	for _, k := range found {
		names = append(names, k.Name)
	}
	return client.Kind{}, &fault.Error{
		Code: fault.NotFound, Reason: "KindNotFound", What: fmt.Sprintf("there is no kind of compute target %q", name),
		Why: "the server knows " + strings.Join(names, ", "), Fix: "run: zaffre compute kinds" + a.DidYouMean(name, names),
	}
}

// options are the flags of a kind.
type options struct {
	kind   client.Kind
	flags  *pflag.FlagSet
	name   string // of the target
	update bool   // nothing is required
	agent  *bool  // whether a key is made for the target; nil: no

	config  string // of ssh
	keyFile string // that the private key was read from, because ssh's configuration names it
}

// flagName derives the flag from the option's path where it names none: "connectTimeout" is
// --connect-timeout. A secret is never an argument, which others on this machine
// could see: its flag names a file.
func flagName(o client.Option) string {
	var b strings.Builder
	for i, r := range cmp.Or(o.Flag, o.Path) {
		switch {
		case r == '.' || r == '_':
			b.WriteByte('-')
		case unicode.IsUpper(r):
			if i > 0 {
				b.WriteByte('-')
			}
			b.WriteRune(unicode.ToLower(r))
		default:
			b.WriteRune(r)
		}
	}
	if o.Secret {
		b.WriteString("-file")
	}
	name := strings.ReplaceAll(b.String(), "--", "-")
	if slices.Contains([]string{"data", "help", "lang", "output", "shared", "ssh-agent", "ssh-config", "workspace"}, name) {
		return "target-" + name // the plain one is ours
	}
	return name
}

// defaultOf is an option's default as one would write it.
func defaultOf(o client.Option) any {
	if ns, ok := o.Default.(float64); ok && o.Type == "duration" {
		return time.Duration(ns)
	}
	return o.Default
}

// How a target comes, as client.Option has it.
const (
	byAttaching = "attaching"
	byMaking    = "making"
)

// declare gives a command the flags of a kind, for targets that come by attaching or by making.
func declare(a *frame.App, cmd *cobra.Command, k client.Kind, by string) *options {
	f := cmd.Flags()
	k.Options = slices.DeleteFunc(slices.Clone(k.Options), func(o client.Option) bool { return o.Only != "" && o.Only != by })
	for _, o := range k.Options {
		name, help := flagName(o), o.Help
		if o.Required {
			help += " " + a.Say("flag.required")
		}
		if o.Default != nil {
			help += " " + a.Say("flag.default", defaultOf(o))
		}
		switch {
		case o.Secret:
			f.String(name, "", help+" "+a.Say("flag.secret"))
		case o.Many:
			f.StringArray(name, nil, help)
		case o.Type == "int":
			f.Int64(name, 0, help)
		case o.Type == "bool":
			f.Bool(name, false, help)
		case o.Type == "duration":
			f.Duration(name, 0, help)
		default:
			f.String(name, "", help)
		}
		if o.Type == "target" {
			_ = cmd.RegisterFlagCompletionFunc(name, frame.Values(a.ComputeNames))
		}
	}
	v := &options{kind: k, flags: f}
	if bySSH(k) {
		f.StringVar(&v.config, "ssh-config", "", a.Say("flag.sshconfig"))
	}
	return v
}

// given returns the options that were given, by their paths, and those of filled for which no flag was.
func (v *options) given(a *frame.App, filled map[string]any) (map[string]any, error) {
	out := maps.Clone(filled)
	if out == nil {
		out = map[string]any{}
	}
	byID := v.flags.Changed("resource-id") // the inventory may have the rest; the server says if it has not
	for _, o := range v.kind.Options {
		f := v.flags.Lookup(flagName(o))
		if _, is := filled[o.Path]; is {
			continue
		}
		if !f.Changed {
			if byID {
				continue
			}
			if err := v.absent(a, o, out); err != nil {
				return nil, err
			}
			continue
		}
		value, err := valueOf(a, o, f)
		if err != nil {
			return nil, err
		}
		out[o.Path] = value
	}
	return out, nil
}

// absent asks for a secret at a terminal, and refuses to go on without what is required.
func (v *options) absent(a *frame.App, o client.Option, out map[string]any) error {
	if !o.Required || v.update {
		return nil
	}
	if in, ok := a.Stdin.(*os.File); ok && o.Secret && frame.IsTerminal(in) {
		if secret := askSecret(a, in, o.Help); secret != "" {
			out[o.Path] = secret
			return nil
		}
	}
	return frame.Usage(&fault.Error{
		Code: fault.Invalid, Reason: "OptionMissing", What: fmt.Sprintf("a compute target of kind %s needs --%s", v.kind.Name, flagName(o)),
		Why: o.Help, Fix: "run: zaffre compute attach " + v.kind.Name + " " + v.name + " --help", Field: o.Path,
	})
}

func askSecret(a *frame.App, in *os.File, what string) string {
	fmt.Fprintf(a.Stderr, "%s: ", what)
	secret, err := term.ReadPassword(int(in.Fd()))
	fmt.Fprintln(a.Stderr)
	if err != nil {
		return ""
	}
	return string(secret)
}

func valueOf(a *frame.App, o client.Option, f *pflag.Flag) (any, error) {
	text := f.Value.String()
	switch {
	case o.Secret:
		return a.ReadSecret(text)
	case o.Many:
		return f.Value.(pflag.SliceValue).GetSlice(), nil
	case o.Type == "int":
		return json.Number(text), nil
	case o.Type == "bool":
		return text == "true", nil
	case o.Type == "duration":
		d, err := time.ParseDuration(text)
		return d.String(), err
	case o.Type == "object":
		var v any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			return nil, frame.Usage(&fault.Error{
				Code: fault.Invalid, Reason: "OptionInvalid", What: fmt.Sprintf("the value of --%s cannot be used", f.Name),
				Why: "it is no JSON: " + err.Error(), Fix: `write for example '{"key":"value"}'`, Field: o.Path,
			})
		}
		return v, nil
	}
	return text, nil
}
