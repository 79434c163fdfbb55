package kubernetes

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// checkPriority refuses a priority class that the cluster has not: a Job of it would wait for ever. Where our account may
// not see which there are, the Job's own events say it.
func (c *conn) checkPriority(ctx context.Context, name string) error {
	if name == "" {
		return nil
	}
	list, err := c.listWide(ctx, priorityResource)
	if fault.CodeOf(err) == fault.Denied {
		return nil
	}
	if err != nil {
		return err
	}
	var names []string
	for _, o := range list {
		names = append(names, o.GetName())
	}
	if slices.Contains(names, name) {
		return nil
	}
	return priorityFault(name, sorted(names))
}

func priorityFault(name string, there []string) error {
	own := slices.DeleteFunc(slices.Clone(there), func(s string) bool { return strings.HasPrefix(s, "system-") }) // not for runs
	fix := "name one of: " + strings.Join(own, ", ")
	if len(own) == 0 {
		fix = fmt.Sprintf("leave it out, or have it made: kubectl create priorityclass %s --value=1000", name)
	}
	return &fault.Error{
		Code: fault.Invalid, Reason: "PriorityClassUnknown", What: "the run cannot be started", Why: fmt.Sprintf("the cluster has no priority class %q", name),
		Fix: fix, Field: "options." + jobPriority, Evidence: there,
	}
}
