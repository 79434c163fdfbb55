package conda

import (
	"net/url"
	"regexp"
	"strings"
)

var (
	optionLine  = regexp.MustCompile(`^(--find-links|-f|--extra-index-url)(?:\s*=\s*|\s+)(\S+)$`)
	requirement = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?`)
)

// pipLines adds pip's lines as written. Options that the SDK writes into every specification are
// dropped.
func (t *translation) pipLines(lines []string) {
	for _, text := range lines {
		for line := range strings.Lines(text) {
			line = strings.TrimSpace(line)
			if line == "" || strings.HasPrefix(line, "#") || strings.ContainsRune(line, 0) {
				continue
			}
			if name := defaultIndexOption(line); name != "" {
				t.note("The SDK's default option %s is dropped: the configured index serves the same packages.", name)
				continue
			}
			t.Pip = append(t.Pip, line)
		}
	}
}

// defaultIndexOption returns the option's name when the line is one of the two that SDK v1
// (azureml-core 1.60, CondaDependencies.create) writes by default. They name the public index by
// its old host, "pypi.python" and a top-level domain, and by no other path than these.
func defaultIndexOption(line string) string {
	m := optionLine.FindStringSubmatch(line)
	if m == nil {
		return ""
	}
	u, err := url.Parse(m[2])
	if err != nil || u.User != nil || u.Port() != "" || u.RawQuery != "" {
		return ""
	}
	labels := strings.Split(u.Hostname(), ".")
	if len(labels) != 3 || labels[0] != "pypi" || labels[1] != "python" {
		return ""
	}
	path := strings.TrimSuffix(strings.TrimSuffix(u.Path, "/index.html"), "/")
	if path != "/simple" {
		return ""
	}
	return m[1]
}

// NameOf returns the name at the start of a requirement, "" for an option, a URL or a path.
func NameOf(line string) string {
	name := requirement.FindString(line)
	if rest := strings.TrimPrefix(line, name); strings.HasPrefix(rest, ":") || strings.HasPrefix(rest, "/") || strings.HasPrefix(rest, "+") {
		return ""
	}
	return name
}
