package model

import (
	"fmt"
	"maps"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
)

const (
	maxTags  = 1000
	maxTag   = 256     // bytes of a name
	maxValue = 1 << 20 // bytes of a value
)

func checkModel(m Model) error {
	if err := id.CheckName("name", m.Name); err != nil {
		return err
	}
	if strings.ContainsAny(m.Name, "/:") {
		return &fault.Error{
			Code: fault.Invalid, Reason: "NameInvalid", What: fmt.Sprintf("the name %q cannot be used", m.Name),
			Why: "a slash or a colon separates a model's name from its version", Fix: "choose a name without slashes and colons", Field: "name",
		}
	}
	return checkLabels("tags", m.Tags)
}

// MLflow takes letters, digits, _ and - in aliases, and none that could be a version.
// Source: mlflow/utils/validation.py, 2.22.
var (
	aliasForm   = regexp.MustCompile(`^[\w-]{1,255}$`)
	versionForm = regexp.MustCompile(`(?i)^v?\d+$`)
)

func checkAlias(alias string) error {
	why := ""
	switch {
	case !aliasForm.MatchString(alias):
		why = "it needs 1 to 255 letters, digits, hyphens and underscores"
	case versionForm.MatchString(alias), strings.EqualFold(alias, "latest"):
		why = "it would be taken for a version"
	default:
		return nil
	}
	return &fault.Error{
		Code: fault.Invalid, Reason: "NameInvalid", What: fmt.Sprintf("the alias %.100q cannot be used", alias),
		Why: why, Fix: `choose a name such as "champion"`, Field: "alias",
	}
}

func checkLabels(field string, labels map[string]string) error {
	why := ""
	if len(labels) > maxTags {
		why = fmt.Sprintf("there are more than %d", maxTags)
	}
	for name, value := range labels {
		switch {
		case name == "" || len(name) > maxTag || !utf8.ValidString(name):
			why = fmt.Sprintf("%.64q is no name of 1 to %d bytes of UTF-8", name, maxTag)
		case len(value) > maxValue:
			why = fmt.Sprintf("the value of %q is longer than %d bytes", name, maxValue)
		case !utf8.ValidString(value):
			why = fmt.Sprintf("the value of %q is not valid UTF-8", name)
		}
	}
	if why == "" {
		return nil
	}
	return &fault.Error{
		Code: fault.Invalid, Reason: "LabelsInvalid", What: "the " + field + " cannot be used",
		Why: why, Fix: "shorten them, or keep long texts in a file", Field: field,
	}
}

// labels returns old with some added and some taken away; nil if there are none.
func labels[V any](old, add map[string]V, remove []string) map[string]V {
	out := make(map[string]V, len(old)+len(add))
	maps.Copy(out, old)
	maps.Copy(out, add)
	for _, name := range remove {
		delete(out, name)
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

func exists(name string) error {
	return &fault.Error{
		Code: fault.Exists, Reason: "ModelExists", What: fmt.Sprintf("there is a model %q already", name),
		Why: "a name is one model's", Fix: "register a version of it, or choose another name", Field: "name",
	}
}

func versionNotFound(model, version string) error {
	return &fault.Error{
		Code: fault.NotFound, Reason: "ModelVersionNotFound", What: fmt.Sprintf("the model %q has no version %q", model, version),
		Why: "it was never registered, or deleted", Fix: "look at its versions; run: zaffre model show " + model, Field: "version",
	}
}
