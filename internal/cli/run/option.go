package run

import (
	"errors"
	"strings"

	"github.com/zaffre-ml/zaffre/client"
)

// optionFlag collects what is said to the engine behind the target: PATH=VALUE. A path that is given again makes
// a list.
type optionFlag struct{ request *client.RunRequest }

func (o optionFlag) String() string { return "" }
func (o optionFlag) Type() string   { return "PATH=VALUE" }
func (o optionFlag) Set(s string) error {
	path, value, ok := strings.Cut(s, "=")
	if !ok || path == "" {
		return errors.New("it is not of the form PATH=VALUE")
	}
	if o.request.Options == nil {
		o.request.Options = map[string]any{}
	}
	switch before := o.request.Options[path].(type) {
	case nil:
		o.request.Options[path] = value
	case []any:
		o.request.Options[path] = append(before, value)
	default:
		o.request.Options[path] = []any{before, value}
	}
	return nil
}
