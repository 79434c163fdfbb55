package dotnet

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Format is a format of a DateTime. Its zero value writes nothing.
type Format struct{ parts []part }

// part is a piece of a format: a text, or what stands for a piece of the time.
type part struct{ text, golang, duck string }

// tokens are the custom specifiers of .NET, longest first.
var tokens = []struct{ net, golang, duck string }{
	{"yyyy", "2006", "%Y"},
	{"yy", "06", "%y"},
	{"MMMM", "January", "%B"},
	{"MMM", "Jan", "%b"},
	{"MM", "01", "%m"},
	{"M", "1", "%-m"},
	{"dddd", "Monday", "%A"},
	{"ddd", "Mon", "%a"},
	{"dd", "02", "%d"},
	{"d", "2", "%-d"},
	{"HH", "15", "%H"},
	{"H", "", "%-H"},
	{"hh", "03", "%I"},
	{"h", "3", "%-I"},
	{"mm", "04", "%M"},
	{"m", "4", "%-M"},
	{"ss", "05", "%S"},
	{"s", "5", "%-S"},
	{"fffffff", "", "%f0"},
	{"ffffff", "", "%f"},
	{"fff", "", "%g"},
	{"tt", "PM", "%p"},
}

// standard are the formats of one letter that do not hang on a culture.
var standard = map[string]string{
	"O": "yyyy'-'MM'-'dd'T'HH':'mm':'ss'.'fffffff", "o": "yyyy'-'MM'-'dd'T'HH':'mm':'ss'.'fffffff",
	"s": "yyyy'-'MM'-'dd'T'HH':'mm':'ss", "u": "yyyy'-'MM'-'dd HH':'mm':'ss'Z'",
}

// ParseFormat reads a format of .NET. It fails on those that hang on a culture, and on rare specifiers.
func ParseFormat(s string) (Format, error) {
	if long, ok := standard[s]; ok {
		s = long
	}
	if len(s) == 1 {
		return Format{}, fmt.Errorf("the format %q hangs on a culture", s)
	}
	f := Format{}
	for s != "" {
		p, n, err := first(s)
		if err != nil {
			return Format{}, err
		}
		f.parts, s = append(f.parts, p), s[n:]
	}
	return f, nil
}

// first reads one specifier, quoted text or character, and how long it is.
func first(s string) (part, int, error) {
	if c := s[0]; c == '\'' || c == '"' {
		n := strings.IndexByte(s[1:], c)
		if n < 0 {
			return part{}, 0, fmt.Errorf("the quote %c has no end", c)
		}
		return part{text: s[1 : 1+n]}, n + 2, nil
	}
	if s[0] == '\\' && len(s) > 1 {
		return part{text: s[1:2]}, 2, nil
	}
	run := len(s) - len(strings.TrimLeft(s, s[:1]))
	for _, t := range tokens {
		if s[:run] == t.net {
			return part{golang: t.golang, duck: t.duck}, run, nil
		}
	}
	if strings.ContainsRune("yMdHhmsftFgKz%", rune(s[0])) {
		return part{}, 0, fmt.Errorf("the specifier %q is not known here", s[:run])
	}
	return part{text: s[:1]}, 1, nil
}

// Strftime returns the format for DuckDB's strftime.
func (f Format) Strftime() string {
	var b strings.Builder
	for _, p := range f.parts {
		b.WriteString(p.duck + strings.ReplaceAll(p.text, "%", "%%"))
	}
	return b.String()
}

// Text writes a DateTime.
func (f Format) Text(t time.Time) string { return string(f.append(nil, t)) }

func (f Format) append(dst []byte, t time.Time) []byte {
	for _, p := range f.parts {
		switch {
		case p.text != "":
			dst = append(dst, p.text...)
		case p.golang != "":
			dst = t.AppendFormat(dst, p.golang)
		case p.duck == "%-H":
			dst = strconv.AppendInt(dst, int64(t.Hour()), 10)
		case p.duck == "%f0":
			dst = appendDigits(dst, t.Nanosecond()/100, 7)
		case p.duck == "%f":
			dst = appendDigits(dst, t.Nanosecond()/1000, 6)
		case p.duck == "%g":
			dst = appendDigits(dst, t.Nanosecond()/1000000, 3)
		}
	}
	return dst
}

func appendDigits(dst []byte, n, width int) []byte {
	at := len(dst)
	for range width {
		dst = append(dst, '0')
	}
	for i := at + width - 1; i >= at; i-- {
		dst[i] += byte(n % 10)
		n /= 10
	}
	return dst
}
