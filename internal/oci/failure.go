package oci

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// The words of uv (0.13) by which failures are told apart, the surest first.
var (
	noSpace   = regexp.MustCompile(`(?i)no space left on device|disk quota exceeded|os error (28|122)\b`)
	noWheel   = regexp.MustCompile("(?i)Wheels are required for `([^`]+)`|\\b(\\S+?)(?:==\\S+)? has no (?:usable wheels|wheels with a matching)|Building source distributions (?:for `?([^` ]+)`? )?is disabled")
	notThere  = regexp.MustCompile(`(?i)\b(\S+) was not found in (?:the package registry|the provided package locations|the cache)`)
	unsolved  = regexp.MustCompile(`(?i)no solution found|are unsatisfiable`)
	unreached = regexp.MustCompile(`(?i)dns error|tunnel error|client error \(connect\)|error sending request|network is unreachable|connection (?:refused|reset)|timed out|certificate`)
)

// classify reads the reason of a failure from uv's words.
func classify(said []string, err error) error {
	text := strings.Join(strings.Fields(strings.Join(said, " ")), " ")
	if i := strings.Index(text, "error: "); i >= 0 {
		text = text[i+len("error: "):]
	}
	f := &fault.Error{
		Code: fault.Precondition, Reason: "BuildFailed", What: notMade, Why: shortened(text), Fix: "read the build's log, correct the definition, and build again",
		Evidence: said[max(0, len(said)-20):], Err: err,
	}
	switch {
	case noSpace.MatchString(text):
		f.Code, f.Reason, f.Fix = fault.Exhausted, "DiskFull", "free space in the server's data folder; run: zaffre config show"
	case noWheel.MatchString(text):
		f.Code, f.Reason, f.Fix = fault.Invalid, "WheelMissing", podsFix+"; or take a version that has a wheel"
		f.Why = fmt.Sprintf("%s has no wheel for the image's Python and platform: %s", first(noWheel, text), f.Why)
	case notThere.MatchString(text):
		f.Code, f.Reason, f.Fix = fault.Invalid, "PackageNotFound", `correct its name; where it is on another index, name that under "pip:" by --extra-index-url`
		f.Why = fmt.Sprintf("the package %q is not on the package index: %s", first(notThere, text), f.Why)
	case unsolved.MatchString(text):
		f.Code, f.Reason, f.Fix = fault.Invalid, "ResolutionFailed", "loosen the versions that it names, or take a base image with another Python"
	case unreached.MatchString(text):
		f.Code, f.Reason, f.Fix = fault.Precondition, "NetworkUnreachable", "check the server's network, its proxy (HTTPS_PROXY), index (UV_DEFAULT_INDEX or pip.conf) and certificates (SSL_CERT_FILE)"
	}
	return f
}

const maxWhy = 1200

func shortened(s string) string {
	if len(s) > maxWhy {
		s = strings.ToValidUTF8(s[:maxWhy], "") + " …"
	}
	return strings.TrimSuffix(s, ".")
}

// first returns the first group of a match that is not empty.
func first(re *regexp.Regexp, s string) string {
	for _, g := range re.FindStringSubmatch(s)[1:] {
		if g != "" {
			return strings.Trim(g, "`,.")
		}
	}
	return "a package"
}

func asFault(err error) (*fault.Error, bool) { return errors.AsType[*fault.Error](err) }
