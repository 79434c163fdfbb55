package mlflow

import (
	"fmt"
	"path"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// What MLflow's server takes. Source: mlflow/utils/validation.py, 3.17.
const (
	maxKey       = 250
	maxParam     = 6000
	maxTag       = 8000
	maxBatch     = 1000 // metrics, and all together
	maxLabels    = 100  // parameters, and tags
	maxExpName   = 500
	maxExpTag    = 20_000
	maxModelTag  = 100_000
	maxPage      = 50_000
	maxInputs    = 1000
	maxDataset   = 500 // characters of a name
	maxDigest    = 36
	maxSource    = 65_535
	maxSchema    = 1_048_575
	maxTimestamp = 1 << 53 // milliseconds: what JavaScript's clients can say
)

// keyForm is what keys are made of. MLflow means letters of any language.
var keyForm = regexp.MustCompile(`^[/\p{L}\p{M}\p{N}_.\- :]*$`)

// checkKey fails unless a key is one that MLflow takes: it may become a file's name there.
func checkKey(field, key string) error {
	switch {
	case key == "":
		return missing(field)
	case !keyForm.MatchString(key):
		return invalid(field, `"`+key+`"`, "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and slashes (/).")
	case path.Clean(key) != key || key == "." || strings.HasPrefix(key, "..") || strings.HasPrefix(key, "/"):
		return invalid(field, `"`+key+`"`, "Names may be treated as files in certain cases, and must not resolve to other names when treated as such")
	case utf8.RuneCountInString(key) > maxKey:
		return tooLong(field, maxKey)
	}
	return nil
}

// cut shortens a value as MLflow's server does.
func cut(value string, limit int) (_ string, was bool) {
	if len(value) <= limit || utf8.RuneCountInString(value) <= limit {
		return value, false
	}
	return string([]rune(value)[:limit]), true
}

func checkBatch(what string, limit, n int) error {
	if n <= limit {
		return nil
	}
	return &fault.Error{
		Code: fault.Invalid, Reason: "BatchTooLarge", Field: what,
		What: fmt.Sprintf("A batch logging request can contain at most %d %s. Got %d %s", limit, what, n, what),
		Why:  "MLflow has this limit", Fix: "split it up across several requests",
	}
}
