package conda

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

var (
	clauseParts = regexp.MustCompile(`^(===|==|!=|<=|>=|~=|=|<|>)?\s*(\S*)$`)
	// https://packaging.python.org: version specifiers, appendix B, without the leading "v".
	pep440 = regexp.MustCompile(`(?i)^(\d+!)?\d+(\.\d+)*([-_.]?(a|b|c|rc|alpha|beta|pre|preview)[-_.]?\d*)?(-\d+|[-_.]?(post|rev|r)[-_.]?\d*)?([-_.]?dev[-_.]?\d*)?(\+[a-z0-9]+([-_.][a-z0-9]+)*)?$`)
)

// pep440 returns the version as a PEP 440 specifier, "" for any. widened makes an exact version one
// with any further part, for packages whose index versions have one number more than conda's.
func (s spec) pep440(widened bool) (string, error) {
	var out []string
	for clause := range strings.SplitSeq(s.lastAlternative(), ",") {
		c, err := s.clause(strings.TrimSpace(clause), widened)
		if err != nil {
			return "", err
		}
		if c != "" {
			out = append(out, c)
		}
	}
	return strings.Join(out, ","), nil
}

func (s spec) lastAlternative() string {
	if n := len(s.alternatives); n > 0 {
		return s.alternatives[n-1]
	}
	return s.version
}

// clause turns one comparison of conda's into one of PEP 440:
//
//	=1.2  1.2.*  1.2*  ==1.2.*   1.2 and 1.2.x, not 1.20   ==1.2.*
//	1.2  ==1.2                   1.2 and 1.2.0             ==1.2
//	>= <= > < != ~=              the same
func (s spec) clause(text string, widened bool) (string, error) {
	m := clauseParts.FindStringSubmatch(text)
	if m == nil {
		return "", s.badVersion()
	}
	op, v := m[1], m[2]
	star := strings.HasSuffix(v, "*")
	v = strings.TrimSuffix(strings.TrimSuffix(v, "*"), ".")
	if v == "" && (star && op != "!=" || op == "" || op == "=") {
		return "", nil
	}
	if !pep440.MatchString(v) {
		return "", s.badVersion()
	}
	local := strings.Contains(v, "+")
	switch {
	case op == "=" && !s.exact, op == "" && star, op == "==" && star:
		return "==" + v + glob(local), nil
	case op == "!=" && star:
		return "!=" + v + glob(local), nil
	case op == "" || op == "=" || op == "==":
		if widened {
			return "==" + v + glob(local), nil
		}
		return "==" + v, nil
	case op == "~=" && !strings.Contains(v, "."):
		return ">=" + v, nil // PEP 440 wants two numbers there
	case local && op != "!=" && op != "===":
		return "", s.badVersion() // PEP 440 has no order among local versions
	}
	return op + v, nil
}

// glob is ".*", but PEP 440 forbids it after a local version, which means one version anyway.
func glob(local bool) string {
	if local {
		return ""
	}
	return ".*"
}

func (s spec) badVersion() error {
	return invalid(s.item, fmt.Sprintf("%q is not a version that the Python package index could have", s.version),
		fmt.Sprintf("write it as %s=1.2 or %s>=1.2,<2, or put the package under \"pip:\"", s.name, s.name))
}

// newestMinor is the newest Python that a range without an upper bound takes: what most packages
// for machine learning have wheels for.
const newestMinor = 12

// python sets the interpreter's version.
func (t *translation) python(s spec) error {
	v, err := s.pep440(false)
	if err != nil || v == "" {
		return err
	}
	t.PythonAsked = v
	if strings.HasPrefix(v, "==") && !strings.Contains(v, ",") {
		t.PythonAsked = strings.TrimSuffix(strings.TrimLeft(v, "="), ".*")
	}
	if len(s.alternatives) > 0 {
		t.note("python: of the alternatives %q the last is taken.", s.version)
	}
	if m := pinned.FindStringSubmatch(v); m != nil {
		t.Python = m[1]
		if m[1] != t.PythonAsked {
			t.note("python %s is asked for: any Python %s serves, an exact patch release is not looked for.", t.PythonAsked, m[1])
		}
		return nil
	}
	for minor := range pythonMinors {
		if admits(v, minor) {
			t.Python = "3." + strconv.Itoa(minor)
			t.note("python%s is asked for: Python %s is taken.", v, t.Python)
			return nil
		}
	}
	return invalid(s.item, fmt.Sprintf("no Python 3 is a Python %q", s.version), "write it as python=3.10")
}

// pinned is a specifier that names a minor version of Python.
var pinned = regexp.MustCompile(`^={2,3}(\d+\.\d+)(?:\.[^,]*)?$`)

// pythonMinors yields minor versions of Python 3 in the order in which a range takes them.
func pythonMinors(yield func(int) bool) {
	for m := newestMinor; m >= 0; m-- {
		if !yield(m) {
			return
		}
	}
	for m := newestMinor + 1; m < newestMinor+20; m++ {
		if !yield(m) {
			return
		}
	}
}

// admits reports whether some release of Python 3.minor meets all clauses of a specifier.
func admits(specifier string, minor int) bool {
	for clause := range strings.SplitSeq(specifier, ",") {
		m := clauseParts.FindStringSubmatch(clause)
		if m == nil || !admitsClause(m[1], m[2], minor) {
			return false
		}
	}
	return true
}

// lastPatch stands for the newest patch release of any minor version.
const lastPatch = 1000

func admitsClause(op, text string, minor int) bool {
	star := strings.HasSuffix(text, ".*")
	v := release(strings.TrimSuffix(text, ".*"))
	low, high := [3]int{3, minor, 0}, [3]int{3, minor, lastPatch}
	switch op {
	case ">=":
		return compare(high, v.at) >= 0
	case ">":
		return compare(high, v.at) > 0
	case "<=":
		return compare(low, v.at) <= 0
	case "<":
		return compare(low, v.at) < 0
	case "~=":
		return compare(high, v.at) >= 0 && v.at[0] == 3 && (v.parts < 3 || v.at[1] == minor)
	case "!=":
		return !star || v.at[0] != 3 || v.parts > 1 && v.at[1] != minor || v.parts > 2
	}
	return v.at[0] == 3 && (v.parts == 1 && star || v.at[1] == minor)
}

type numbers struct {
	at    [3]int
	parts int
}

// release reads the first three numbers of a version.
func release(text string) (n numbers) {
	for part := range strings.SplitSeq(text, ".") {
		digits := part[:len(part)-len(strings.TrimLeft(part, "0123456789"))]
		value, err := strconv.Atoi(digits)
		if err != nil || n.parts == 3 {
			break
		}
		n.at[n.parts] = min(value, lastPatch)
		n.parts++
	}
	return n
}

func compare(a, b [3]int) int {
	for i := range a {
		if a[i] != b[i] {
			return a[i] - b[i]
		}
	}
	return 0
}
