package compute

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// CheckJobOptions returns what a run says to the engine behind targets of a kind, in the form in which it is
// stored. An option that the kind has not, or of another type, is fault.Invalid, Reason "JobOptionUnknown" or
// "JobOptionInvalid"; one that is left out and needed is "JobOptionMissing".
func CheckJobOptions(kind driver.Kind, options map[string]any) (map[string]any, error) {
	var out map[string]any
	for _, path := range slices.Sorted(maps.Keys(options)) {
		i := slices.IndexFunc(kind.JobOptions, func(o driver.Option) bool { return o.Path == path })
		if i < 0 {
			return nil, jobOptionFault(path, "JobOptionUnknown", "targets of kind "+kind.Name+" "+jobOptionsOf(kind), kind)
		}
		v, err := normalise(kind.JobOptions[i], fromText(kind.JobOptions[i], options[path]))
		if err != nil {
			return nil, jobOptionFault(path, "JobOptionInvalid", fmt.Sprintf("%v is not of type %s", options[path], kind.JobOptions[i].Type), kind)
		}
		if out == nil {
			out = map[string]any{}
		}
		out[path] = v
	}
	for _, o := range kind.JobOptions {
		if _, given := options[o.Path]; o.Required && !given {
			return nil, jobOptionFault(o.Path, "JobOptionMissing", "it is not given, and targets of kind "+kind.Name+" need it: "+o.Help, kind)
		}
	}
	return out, nil
}

// JobOptions returns the options of a job: those that its run gave, checked before, and the kind's defaults.
func JobOptions(kind driver.Kind, options map[string]any) (map[string]any, error) {
	return typedOptions(kind.JobOptions, options)
}

// fromText reads an object that was given as text, as the command line does.
func fromText(o driver.Option, v any) any {
	text, ok := v.(string)
	var m map[string]any
	if ok && o.Type == driver.Object && json.Unmarshal([]byte(text), &m) == nil {
		return m
	}
	return v
}

func jobOptionsOf(kind driver.Kind) string {
	if len(kind.JobOptions) == 0 {
		return "have no options of runs"
	}
	var names []string
	for _, o := range kind.JobOptions {
		names = append(names, o.Path)
	}
	return "have " + strings.Join(names, ", ")
}

func jobOptionFault(path, reason, why string, kind driver.Kind) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: reason, What: fmt.Sprintf("the run cannot be submitted with its option %q", path),
		Why: why, Fix: "run: zaffre compute kinds " + kind.Name, Field: "options." + path,
	}
}
