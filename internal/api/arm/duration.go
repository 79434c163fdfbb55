package arm

import (
	"regexp"
	"strconv"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
)

// fromWire returns an option's value as the domain takes it: durations are ISO 8601 on this wire.
func fromWire(o driver.Option, v any) any {
	s, ok := v.(string)
	if o.Type != driver.Duration || !ok {
		return v
	}
	if d, ok := isoDuration(s); ok {
		return d.String()
	}
	return v
}

var iso = regexp.MustCompile(`^P(?:(\d{1,6})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,8})M)?(?:(\d{1,9})(?:\.\d+)?S)?)?$`)

// isoDuration reads "PT1800S", "PT2M", "P1DT2H".
func isoDuration(s string) (d time.Duration, ok bool) {
	m := iso.FindStringSubmatch(s)
	if m == nil || s == "P" || s[len(s)-1] == 'T' {
		return 0, false
	}
	for i, unit := range []time.Duration{24 * time.Hour, time.Hour, time.Minute, time.Second} {
		n, _ := strconv.Atoi(m[i+1]) // "" is none
		d += time.Duration(n) * unit
	}
	return d, true
}
