package dotnet

import (
	"strings"
	"time"
)

// layout is a way to write a DateTime that Parse of .NET understands (culture en-US), for Go and for DuckDB.
type layout struct{ golang, duck string }

// layouts are dates, then each with each time.
func layouts() []layout {
	dates := []layout{
		{"2006-1-2", "%Y-%m-%d"},
		{"1/2/2006", "%m/%d/%Y"},
		{"2006/1/2", "%Y/%m/%d"},
		{"1-2-2006", "%m-%d-%Y"},
		{"2 Jan 2006", "%d %b %Y"},
		{"2 January 2006", "%d %B %Y"},
		{"Jan 2, 2006", "%b %d, %Y"},
		{"January 2, 2006", "%B %d, %Y"},
		{"2-Jan-2006", "%d-%b-%Y"},
	}
	times := []layout{
		{" 15:4:5", " %H:%M:%S"},
		{" 15:4:5.999999999", " %H:%M:%S.%f"},
		{" 15:4", " %H:%M"},
		{" 3:4:5 PM", " %I:%M:%S %p"},
		{" 3:4 PM", " %I:%M %p"},
	}
	iso := []layout{
		{"2006-1-2T15:4:5", "%Y-%m-%dT%H:%M:%S"},
		{"2006-1-2T15:4:5.999999999", "%Y-%m-%dT%H:%M:%S.%f"},
		{"2006-1-2T15:4", "%Y-%m-%dT%H:%M"},
		{"2006-1-2T15:4:5Z", "%Y-%m-%dT%H:%M:%SZ"},
		{"2006-1-2T15:4:5.999999999Z", "%Y-%m-%dT%H:%M:%S.%fZ"},
	}
	out := iso
	for _, d := range dates {
		out = append(out, d)
		for _, t := range times {
			out = append(out, layout{d.golang + t.golang, d.duck + t.duck})
		}
	}
	return out
}

var known = layouts()

// ParseDateTime reads a DateTime as DateTime.Parse does in the culture en-US, where its form is one of those
// that are known here. Digits behind the microseconds are dropped. A time in UTC stays as it is written.
func ParseDateTime(s string) (t time.Time, ok bool) {
	if t, ok = plain([]byte(s)); ok {
		return t, true
	}
	s = strings.TrimSpace(s)
	if n := len(s); n > 2 && (s[n-1] == 'm' || s[n-1] == 'M') {
		s = s[:n-2] + strings.ToUpper(s[n-2:])
	}
	for _, l := range known {
		if t, err := time.Parse(l.golang, s); err == nil {
			return t.Truncate(time.Microsecond), true
		}
	}
	return time.Time{}, false
}

// plain reads 2006-01-02, with or without a time behind a T or a space, without the help of time.Parse.
func plain(s []byte) (t time.Time, ok bool) {
	if len(s) != 10 && len(s) != 19 || s[4] != '-' || s[7] != '-' {
		return t, false
	}
	n := [6]int{}
	for i, at := range []int{0, 5, 8, 11, 14, 17} {
		if at > len(s) {
			break
		}
		width := 2
		if i == 0 {
			width = 4
		}
		for _, c := range s[at : at+width] {
			if c < '0' || c > '9' {
				return t, false
			}
			n[i] = n[i]*10 + int(c-'0')
		}
	}
	if len(s) == 19 && (s[10] != ' ' && s[10] != 'T' || s[13] != ':' || s[16] != ':') {
		return t, false
	}
	t = time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], 0, time.UTC)
	return t, n[0] > 0 && n[1] > 0 && n[1] < 13 && t.Day() == n[2] && n[3] < 24 && n[4] < 60 && n[5] < 60
}

// ParseFormats returns the forms that ParseDateTime knows, as a list of DuckDB's strptime.
func ParseFormats() string {
	var b strings.Builder
	for i, l := range known {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("'" + l.duck + "'")
	}
	return "[" + b.String() + "]"
}

// AppendTimestamp writes a DateTime as DuckDB reads it.
func AppendTimestamp(dst []byte, t time.Time) []byte {
	return t.AppendFormat(dst, "2006-01-02 15:04:05.999999")
}
