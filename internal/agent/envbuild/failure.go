package envbuild

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// The words of uv (0.13) and pip by which failures are told apart, the surest first.
var (
	noSpace     = lazy(`(?i)no space left on device|disk quota exceeded|os error (28|122)\b`)
	notFound    = lazy(`(?i)\b(\S+) was not found in (?:the package registry|the provided package locations|the cache)|No matching distribution found for (\S+)`)
	noVersion   = lazy(`(?i)there (?:is|are) no versions? of (\S+)`)
	unsolvable  = lazy(`(?i)no solution found|are unsatisfiable|ResolutionImpossible`)
	offline     = lazy(`(?i)dns error|tunnel error|client error \(connect\)|tcp connect error|error sending request|network is unreachable|connection (?:refused|reset)|operation timed out|NewConnectionError|Failed to establish a new connection|certificate|network connectivity is disabled`)
	failedBuild = lazy("(?i)failed to (?:build|prepare)(?: distributions)? *`?([^`\\s]*)`?|build backend returned an error|failed building wheel for (\\S+)")
	badLine     = lazy("(?i)couldn't parse|unexpected '|expected package name|invalid requirement|the wheel filename|invalid version|unsupported requirement")
	noPath      = lazy(`(?i)distribution not found at|no such file or directory|does not appear to be a Python project|file not found`)
)

// classify reads the reason of a failure from uv's output; nil where it finds none.
func classify(output []string, python string) *fault.Error {
	text := errorPart(output)
	switch {
	case noSpace().MatchString(text):
		return diskFull(explanation(output))
	case notFound().MatchString(text):
		return packageNotFound(named(notFound(), text), output)
	case noVersion().MatchString(text), unsolvable().MatchString(text):
		return resolutionFailed(output, python)
	case offline().MatchString(text):
		return unreachable(output)
	case badLine().MatchString(text):
		return requirementInvalid(output)
	case failedBuild().MatchString(text):
		return buildFailed(named(failedBuild(), text), output)
	case noPath().MatchString(text):
		return pathNotFound(output)
	}
	return nil
}

// named returns the first group of the match that is not empty.
func named(re *regexp.Regexp, text string) string {
	for _, g := range re.FindStringSubmatch(text)[1:] {
		if g != "" {
			return strings.Trim(g, "`,.")
		}
	}
	return ""
}

// errorPart joins the output from its first error on, with the line breaks of uv's prose undone.
func errorPart(output []string) string {
	for i, line := range output {
		if l := strings.ToLower(strings.TrimSpace(line)); strings.HasPrefix(l, "error") || strings.HasPrefix(l, "×") {
			output = output[i:]
			break
		}
	}
	return strings.Join(strings.Fields(strings.Join(output, " ")), " ")
}

const maxExplanation = 1500

// explanation is the tool's own reason on one line.
func explanation(output []string) string {
	text := errorPart(output)
	text = strings.TrimPrefix(text, "error: ")
	text = strings.ReplaceAll(text, " cause: ", ": ")
	if len(text) > maxExplanation {
		text = strings.ToValidUTF8(text[:maxExplanation], "") + " …"
	}
	return strings.TrimSuffix(text, ".")
}

const notBuilt = "cannot build the environment"

func packageNotFound(name string, output []string) *fault.Error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "PackageNotFound", What: notBuilt,
		Why:      fmt.Sprintf("the package %q is not on the Python package index: %s", name, explanation(output)),
		Fix:      "correct its name; where it is on another index, name that under \"pip:\" by --extra-index-url",
		Evidence: tail(output),
	}
}

func resolutionFailed(output []string, python string) *fault.Error {
	on := ""
	if python != "" {
		on = " on Python " + python
	}
	return &fault.Error{
		Code: fault.Invalid, Reason: "ResolutionFailed", What: notBuilt,
		Why: "no set of versions meets all requirements" + on + ": " + explanation(output),
		Fix: "loosen the versions that it names, or ask for another version of Python", Evidence: tail(output),
	}
}

func buildFailed(name string, output []string) *fault.Error {
	what := "a package"
	if name != "" {
		what = "the package " + name
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "BuildFailed", What: notBuilt,
		Why: what + " could not be built from its sources: " + explanation(output),
		Fix: "take a version that has a wheel for this Python, or install what its build misses on the target (often a compiler)", Evidence: tail(output),
	}
}

func unreachable(output []string) *fault.Error {
	return &fault.Error{
		Code: fault.Unavailable, Reason: "NetworkUnreachable", What: notBuilt,
		Why: "the target cannot reach the package index: " + explanation(output),
		Fix: "check the network of the target, its proxy (HTTPS_PROXY), index (UV_DEFAULT_INDEX or pip.conf) and certificates (SSL_CERT_FILE)", Evidence: tail(output),
	}
}

func requirementInvalid(output []string) *fault.Error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "RequirementInvalid", What: notBuilt,
		Why: "a requirement cannot be read: " + explanation(output),
		Fix: "correct the line; it is read as pip reads a requirements file", Evidence: tail(output),
	}
}

func pathNotFound(output []string) *fault.Error {
	return &fault.Error{
		Code: fault.NotFound, Reason: "PathNotFound", What: notBuilt, Why: explanation(output),
		Fix: "give a whole path that is on the target, a URL, or the requirements themselves", Evidence: tail(output),
	}
}

func diskFull(why string) *fault.Error {
	return &fault.Error{
		Code: fault.Exhausted, Reason: "DiskFull", What: notBuilt, Why: "the disk of the target is full: " + why,
		Fix: "free space on the target, or remove environments that are no longer used",
	}
}

func unknownFailure(output []string, err error) *fault.Error {
	return &fault.Error{
		Code: fault.Precondition, Reason: "BuildFailed", What: notBuilt,
		Why: fmt.Sprintf("the installer failed (%v): %s", err, explanation(output)),
		Fix: "read the build log; correct the definition or the target, and build again", Evidence: tail(output),
	}
}

func tail(output []string) []string {
	return output[max(0, len(output)-20):]
}
