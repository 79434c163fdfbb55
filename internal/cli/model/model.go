// Package model has the commands about registered models.
package model

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Command returns the noun "model".
func Command(a *frame.App) *cobra.Command {
	return a.Noun("model", "model", register(a), list(a), show(a), download(a), tag(a), alias(a), stage(a), remove(a))
}

// split takes "name:version" apart, and "name@alias", as MLflow writes it. Names hold no colon; one with
// an @ takes a version.
func split(arg string) (name, version string) {
	if name, version, ok := strings.Cut(arg, ":"); ok {
		return name, version
	}
	at := max(strings.LastIndex(arg, "@"), 0)
	if at == 0 {
		return arg, ""
	}
	return arg[:at], arg[at+1:]
}

// one returns the version that an argument means; without a version the newest.
func one(ctx context.Context, a *frame.App, s *frame.Session, arg string) (client.ModelVersion, error) {
	name, version := split(arg)
	if version == "" {
		version = "latest"
	}
	v, err := s.ModelVersion(ctx, s.WS, name, version)
	if client.ReasonOf(err) == "ModelNotFound" {
		err = a.Suggest(err, name, a.ModelNames)
	}
	return v, err
}

// exact returns the version that an argument names: a number, an alias or latest, but not nothing.
func exact(ctx context.Context, a *frame.App, s *frame.Session, arg string) (client.ModelVersion, error) {
	if _, version := split(arg); version == "" {
		return client.ModelVersion{}, frame.Usage(&fault.Error{
			Code: fault.Invalid, Reason: "ArgumentsInvalid", What: "it is not said which version of " + arg + " is meant",
			Why: "the command is about one version", Fix: "write NAME:VERSION, such as " + arg + ":latest; run: zaffre model list " + arg,
		})
	}
	return one(ctx, a, s, arg)
}

func ref(v client.ModelVersion) string { return v.Model + ":" + strconv.Itoa(v.Version) }

// aliases are those of a version, in the order of a table.
func aliases(m client.Model, version int) string {
	named := map[string]string{}
	for alias, n := range m.Aliases {
		if n == version {
			named[alias] = ""
		}
	}
	return strings.ReplaceAll(frame.PairText(named), "=", "")
}

// told prints a version in the format that was asked for; as a table it says nothing.
func told(a *frame.App, v client.ModelVersion) error {
	if a.Output == "table" {
		return nil
	}
	return a.Print(v, []string{ref(v)}, nil)
}

func badTag(arg string, err error) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "ArgumentsInvalid", What: "the tag " + strconv.Quote(arg) + " cannot be used",
		Why: err.Error(), Fix: "write it as KEY=VALUE",
	}
}
