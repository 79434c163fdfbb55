package compute

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// optVia is the option of every kind that goes through other targets.
const optVia = "via"

// checkJump is what a driver tells to do about a jump host that it has no name of.
const checkJump = "zaffre compute check JUMP-HOST"

// nameIn puts names into a fix, where a driver, which does not know them, wrote NAME and JUMP-HOST.
func (t Target) nameIn(fix string) string {
	fix = strings.ReplaceAll(fix, " NAME", " "+t.Name)
	if !strings.Contains(fix, checkJump) {
		return fix
	}
	via, ok := t.Spec.Options[optVia].([]any)
	if len(via) == 0 {
		via = []any{t.Spec.Options[optVia]}
		ok = via[0] != nil
	}
	if !ok {
		return fix // the inventory knows it
	}
	first := fmt.Sprint(via[0]) // the one whose failure is told
	if strings.HasPrefix(first, "/") {
		return strings.ReplaceAll(fix, checkJump, "zaffre inventory show "+first)
	}
	return strings.ReplaceAll(fix, checkJump, "zaffre compute check "+first)
}

// named returns a driver's error with names in its fix.
func (t Target) named(err error) error {
	e, ok := errors.AsType[*fault.Error](err)
	if !ok || t.nameIn(e.Fix) == e.Fix {
		return err
	}
	c := *e
	c.Fix = t.nameIn(e.Fix)
	return &c
}

// nameFixes puts names into the fixes of what was seen.
func (t *Target) nameFixes() {
	if t.Status.Error != nil {
		e := *t.Status.Error
		e.Fix = t.nameIn(e.Fix)
		t.Status.Error = &e
	}
	t.Status.Seen.Checks = slices.Clone(t.Status.Seen.Checks)
	for i, c := range t.Status.Seen.Checks {
		t.Status.Seen.Checks[i].Fix = t.nameIn(c.Fix)
	}
}
