package envbuild

import (
	"regexp"
	"sync"
)

// A pattern is a regular expression that is compiled when it is first used: the agent's binary is
// started for each job, which needs none of them.
type pattern func() *regexp.Regexp

func lazy(expr string) pattern {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}
