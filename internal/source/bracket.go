package source

import "strings"

// bracket reads the set whose "[" stands before p[i] and returns the place of its "]". A slash is
// in no set.
func bracket(p string, i int) (*set, int, bool) {
	var s set
	negated := i < len(p) && (p[i] == '!' || p[i] == '^')
	if negated {
		i++
	}
	before := -1 // the byte that a "-" after it would start a range from
	for first := true; i < len(p) && (first || p[i] != ']'); first = false {
		next, ok := i, true
		switch {
		case strings.HasPrefix(p[i:], "[:") && isClass(p[i:]):
			next, ok = s.class(p, i)
			before = -1
		case p[i] == '-' && before >= 0 && i+1 < len(p) && p[i+1] != ']':
			next, ok = s.addRange(p, i+1, byte(before))
			before = -1
		default:
			if next, ok = literal(p, i); ok {
				s[p[next]] = true
				before = int(p[next])
			}
		}
		if !ok {
			return nil, 0, false
		}
		i = next + 1
	}
	if i >= len(p) {
		return nil, 0, false
	}
	for b := range s {
		s[b] = s[b] != negated && b != '/'
	}
	return &s, i, true
}

// literal returns the place of the byte that stands at p[i], perhaps behind a backslash.
func literal(p string, i int) (int, bool) {
	if p[i] == '\\' {
		i++
	}
	return i, i < len(p)
}

func (s *set) addRange(p string, i int, from byte) (int, bool) {
	i, ok := literal(p, i)
	if !ok {
		return i, false
	}
	for b := int(from); b <= int(p[i]); b++ {
		s[b] = true
	}
	return i, true
}

// isClass reports whether p, which starts with "[:", has ":]" where its first "]" is.
func isClass(p string) bool {
	end := strings.IndexByte(p[2:], ']')
	return end < 0 || end > 0 && p[2+end-1] == ':'
}

// class adds a class such as "[:alpha:]" and returns the place of its "]".
func (s *set) class(p string, i int) (int, bool) {
	name, _, ok := strings.Cut(p[i+2:], ":]")
	if !ok {
		return i, false
	}
	in, ok := classes(name)
	if !ok {
		return i, false
	}
	for b := range 0x80 {
		if in(byte(b)) {
			s[b] = true
		}
	}
	return i + 2 + len(name) + 1, true
}

func classes(name string) (func(byte) bool, bool) {
	digit := func(b byte) bool { return '0' <= b && b <= '9' }
	lower := func(b byte) bool { return 'a' <= b && b <= 'z' }
	upper := func(b byte) bool { return 'A' <= b && b <= 'Z' }
	alpha := func(b byte) bool { return lower(b) || upper(b) }
	graph := func(b byte) bool { return '!' <= b && b <= '~' }
	in, ok := map[string]func(byte) bool{
		"digit": digit, "lower": lower, "upper": upper, "alpha": alpha, "graph": graph,
		"alnum":  func(b byte) bool { return alpha(b) || digit(b) },
		"blank":  func(b byte) bool { return b == ' ' || b == '\t' },
		"cntrl":  func(b byte) bool { return b < ' ' || b == 0x7f },
		"print":  func(b byte) bool { return b == ' ' || graph(b) },
		"punct":  func(b byte) bool { return graph(b) && !alpha(b) && !digit(b) },
		"space":  func(b byte) bool { return b == ' ' || b == '\t' || b == '\n' || b == '\r' }, // as git has it
		"xdigit": func(b byte) bool { return digit(b) || 'a' <= b && b <= 'f' || 'A' <= b && b <= 'F' },
	}[name]
	return in, ok
}
