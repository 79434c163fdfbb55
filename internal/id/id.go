// Package id makes and checks the names of things.
package id

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/oklog/ulid/v2"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// New returns a new ULID in lower case: 26 characters that sort by the time they were made.
func New() string { return strings.ToLower(ulid.Make().String()) }

// CheckName reports why s cannot be the name of a thing that users name freely (a run, an
// experiment, an environment): 1 to 256 bytes of valid UTF-8 without control characters, and no
// space at either end. Slashes and quotes are fine. field goes into the fault.
func CheckName(field, s string) error {
	why := ""
	switch {
	case s == "":
		why = "it is empty"
	case len(s) > 256:
		why = "it is longer than 256 bytes"
	case !utf8.ValidString(s):
		why = "it is not valid UTF-8"
	case strings.ContainsFunc(s, unicode.IsControl):
		why = "it holds a control character"
	case strings.TrimSpace(s) != s:
		why = "it starts or ends with a space"
	default:
		return nil
	}
	return invalidName(field, s, why, "choose a name of 1 to 256 characters")
}

// CheckSlug reports why s cannot be the name of a workspace or a compute target: 2 to 32 letters,
// digits and hyphens, a letter first, no hyphen last.
// Source: Azure Machine Learning, compute names 2-16 or 3-24 by kind; the widest is taken.
func CheckSlug(field, s string) error {
	why := ""
	switch {
	case len(s) < 2 || len(s) > 32:
		why = "it needs 2 to 32 characters"
	case strings.ContainsFunc(s, func(r rune) bool { return r > 127 || !(unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-') }):
		why = "it may hold only letters, digits and hyphens"
	case !unicode.IsLetter(rune(s[0])):
		why = "it must start with a letter"
	case s[len(s)-1] == '-':
		why = "it must not end with a hyphen"
	default:
		return nil
	}
	return invalidName(field, s, why, `choose a name such as "gpu-box-1"`)
}

func invalidName(field, s, why, fix string) error {
	if len(s) > 64 {
		s = strings.ToValidUTF8(s[:64], "") + "…"
	}
	return &fault.Error{
		Code: fault.Invalid, Reason: "NameInvalid", What: "the name " + quote(strings.ToValidUTF8(s, "?")) + " cannot be used",
		Why: why, Fix: fix, Field: field,
	}
}

func quote(s string) string { return `"` + strings.Map(printable, s) + `"` }

func printable(r rune) rune {
	if unicode.IsControl(r) {
		return '?'
	}
	return r
}
