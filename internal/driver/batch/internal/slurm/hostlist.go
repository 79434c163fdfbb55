package slurm

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// maxNodes bounds how many names of a list of nodes are shown.
const maxNodes = 1000

// ranges is a name with the first of its brackets. Source: Slurm's hostlist expressions, as squeue's %N gives them.
var ranges = regexp.MustCompile(`^([^\[]*)\[([^\]]*)\](.*)$`)

// nodesOf returns the names of a list such as "gpu[01-03,7],login".
func nodesOf(list string) (names []string) {
	depth, from := 0, 0
	for i, c := range list {
		switch {
		case c == '[':
			depth++
		case c == ']':
			depth--
		case c == ',' && depth <= 0:
			names = append(names, expand(list[from:i])...)
			from = i + 1
		}
	}
	names = append(names, expand(list[from:])...)
	return names[:min(len(names), maxNodes)]
}

// expand returns the names that one expression stands for; one that cannot be read stands for itself.
func expand(name string) (out []string) {
	m := ranges.FindStringSubmatch(name)
	if m == nil {
		return []string{name}
	}
	for part := range strings.SplitSeq(m[2], ",") {
		low, high, isRange := strings.Cut(part, "-")
		from, err := strconv.Atoi(low)
		to := from
		if isRange && err == nil {
			to, err = strconv.Atoi(high)
		}
		if err != nil {
			return []string{name}
		}
		for n := from; n <= to && len(out) < maxNodes; n++ {
			out = append(out, expand(fmt.Sprintf("%s%0*d%s", m[1], len(low), n, m[3]))...)
		}
	}
	return out
}
