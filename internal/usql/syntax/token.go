package syntax

import "fmt"

// Pos is a place in a script. Both count from 1; a column is a character.
type Pos struct{ Line, Column int }

// String returns the place as faults carry it in Field: "line 3, column 7".
func (p Pos) String() string { return fmt.Sprintf("line %d, column %d", p.Line, p.Column) }

type kind int

const (
	end kind = iota
	word
	quoted   // [name]
	variable // @name
	number
	text
	char
	op
)

// token is one word of a script.
type token struct {
	kind kind
	s    string // of a text, a char, a variable, a quoted name: what it stands for
	at   Pos
}

// String says what the token is to a reader.
func (t token) String() string {
	switch t.kind {
	case end:
		return "the end of the script"
	case text:
		return "a string"
	case char:
		return "a char"
	case variable:
		return "@" + t.s
	case quoted:
		return "[" + t.s + "]"
	}
	return t.s
}
