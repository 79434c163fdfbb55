package source

import "strings"

// glob is a pattern of git's wildmatch, in which "*" stops at slashes, compiled to a small
// automaton: matching takes time in proportion to pattern times text, whatever the pattern. It
// works on bytes, as git does. The zero value matches the empty text.
type glob struct {
	ops    []op
	suffix string // of a pattern that is "*" and literal text, the frequent case
	isTail bool
}

type opKind uint8

const (
	opSet   opKind = iota // one byte of a set
	opStar                // any bytes but slashes
	opStars               // any bytes
	opSkip                // nothing, or on to two further: "**/" may be no folder at all
)

type op struct {
	kind opKind
	set  *set
}

type set [256]bool

func one(b byte) *set {
	var s set
	s[b] = true
	return &s
}

func allBut(b byte) *set {
	var s set
	for i := range s {
		s[i] = byte(i) != b
	}
	return &s
}

// compile reports false for a pattern that can match nothing: with an open bracket, an unknown
// class, or a backslash at its end.
func compile(p string) (g glob, ok bool) {
	if len(p) > 1 && p[0] == '*' && !strings.ContainsAny(p[1:], `*?[\`) {
		return glob{suffix: p[1:], isTail: true}, true
	}
	for i := 0; i < len(p); {
		switch p[i] {
		case '*':
			i = g.stars(p, i)
			continue
		case '?':
			g.add(allBut('/'))
		case '[':
			var s *set
			if s, i, ok = bracket(p, i+1); !ok {
				return g, false
			}
			g.add(s)
		case '\\':
			if i++; i == len(p) {
				return g, false
			}
			g.add(one(p[i]))
		default:
			g.add(one(p[i]))
		}
		i++
	}
	return g, true
}

func (g *glob) add(s *set) { g.ops = append(g.ops, op{opSet, s}) }

// stars compiles the run of stars at p[i] and returns where it ends. Two or more that are a whole
// part of the path stand for any folders, or none.
func (g *glob) stars(p string, i int) int {
	end := i
	for end < len(p) && p[end] == '*' {
		end++
	}
	rest := p[end:]
	whole := (i == 0 || p[i-1] == '/') && (rest == "" || rest[0] == '/' || strings.HasPrefix(rest, `\/`))
	switch {
	case end-i == 1 || !whole:
		g.ops = append(g.ops, op{kind: opStar})
	case strings.HasPrefix(rest, "/"):
		g.ops = append(g.ops, op{kind: opSkip}, op{kind: opStars}, op{opSet, one('/')})
		end++
	default:
		g.ops = append(g.ops, op{kind: opStars})
	}
	return end
}

// match reports whether the whole text matches.
func (g *glob) match(text string) bool {
	if g.isTail {
		head, ok := strings.CutSuffix(text, g.suffix)
		return ok && !strings.Contains(head, "/")
	}
	if len(g.ops) == 0 {
		return text == ""
	}
	now, next := make([]bool, len(g.ops)+1), make([]bool, len(g.ops)+1)
	g.enter(now, 0)
	for i := range len(text) {
		clear(next)
		for at, in := range now[:len(g.ops)] {
			if in {
				g.step(next, at, text[i])
			}
		}
		now, next = next, now
	}
	return now[len(g.ops)]
}

// enter marks the state at and those that are reached from it without a byte.
func (g *glob) enter(states []bool, at int) {
	for ; !states[at]; at++ {
		states[at] = true
		if at == len(g.ops) || g.ops[at].kind == opSet {
			return
		}
		if g.ops[at].kind == opSkip {
			g.enter(states, at+3)
		}
	}
}

func (g *glob) step(next []bool, at int, b byte) {
	switch o := g.ops[at]; o.kind {
	case opSet:
		if o.set[b] {
			g.enter(next, at+1)
		}
	case opStar:
		if b != '/' {
			g.enter(next, at)
		}
	case opStars:
		g.enter(next, at)
	case opSkip: // it takes no byte
	}
}
