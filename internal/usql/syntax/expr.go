package syntax

// Expr is an expression: C#, and what U-SQL has beside it.
type Expr interface{ Place() Pos }

// LiteralKind says what a Literal is.
type LiteralKind int

// The kinds of literals.
const (
	NullLiteral LiteralKind = iota
	BoolLiteral
	NumberLiteral
	StringLiteral
	CharLiteral
)

// Literal is a constant as it is written; of strings and chars, what it stands for.
type Literal struct {
	At   Pos
	Kind LiteralKind
	Text string
}

// Var is @name: a variable, or a rowset where a column follows.
type Var struct {
	At   Pos
	Name string
}

// Name is a name alone: a column, an alias or a type.
type Name struct {
	At     Pos
	Name   string
	Quoted bool
}

// Member is X.Name.
type Member struct {
	At   Pos // of the name
	X    Expr
	Name string
}

// Call is F(args). Names has the names of the arguments, "" where there is none.
type Call struct {
	At       Pos
	F        Expr
	Distinct bool
	Star     bool
	Args     []Expr
	Names    []string
	Over     *Over // nil: no window
}

// Over is OVER (PARTITION BY … ORDER BY …).
type Over struct {
	At        Pos
	Partition []Expr
	Order     []OrderItem
}

// New is new Type(args).
type New struct {
	At   Pos
	Type TypeName
	Args []Expr
}

// Unary is one of ! - + before X.
type Unary struct {
	At Pos
	Op string
	X  Expr
}

// Binary is X Op Y. SQL's AND and OR stay as they are.
type Binary struct {
	At   Pos
	Op   string
	X, Y Expr
}

// Cond is Test ? Then : Else.
type Cond struct {
	At               Pos
	Test, Then, Else Expr
}

// Cast is (Type) X.
type Cast struct {
	At   Pos
	Type TypeName
	X    Expr
}

// In is X [NOT] IN (list).
type In struct {
	At   Pos
	Not  bool
	X    Expr
	List []Expr
}

// Between is X [NOT] BETWEEN Low AND High.
type Between struct {
	At           Pos
	Not          bool
	X, Low, High Expr
}

// Like is X [NOT] LIKE Pattern.
type Like struct {
	At         Pos
	Not        bool
	X, Pattern Expr
}

// IsNull is X IS [NOT] NULL.
type IsNull struct {
	At  Pos
	Not bool
	X   Expr
}

// Case is CASE [X] WHEN … THEN … ELSE … END.
type Case struct {
	At    Pos
	X     Expr // nil: each When is a condition
	Whens []When
	Else  Expr // nil: null
}

// When is one branch of Case.
type When struct{ Test, Then Expr }

// Place returns where the expression stands.
func (e *Literal) Place() Pos { return e.At }

// Place returns where the expression stands.
func (e *Var) Place() Pos { return e.At }

// Place returns where the expression stands.
func (e *Name) Place() Pos { return e.At }

// Place returns where the member's name stands.
func (e *Member) Place() Pos { return e.At }

// Place returns where the function's name stands.
func (e *Call) Place() Pos { return e.At }

// Place returns where the expression stands.
func (e *New) Place() Pos { return e.At }

// Place returns where the operator stands.
func (e *Unary) Place() Pos { return e.At }

// Place returns where the operator stands.
func (e *Binary) Place() Pos { return e.At }

// Place returns where the question mark stands.
func (e *Cond) Place() Pos { return e.At }

// Place returns where the expression stands.
func (e *Cast) Place() Pos { return e.At }

// Place returns where the operator stands.
func (e *In) Place() Pos { return e.At }

// Place returns where the operator stands.
func (e *Between) Place() Pos { return e.At }

// Place returns where the operator stands.
func (e *Like) Place() Pos { return e.At }

// Place returns where the operator stands.
func (e *IsNull) Place() Pos { return e.At }

// Place returns where the expression stands.
func (e *Case) Place() Pos { return e.At }

// Walk calls visit for an expression and all within it.
func Walk(e Expr, visit func(Expr)) {
	if e == nil {
		return
	}
	visit(e)
	for _, in := range parts(e) {
		Walk(in, visit)
	}
}

func parts(e Expr) []Expr {
	switch e := e.(type) {
	case *Member:
		return []Expr{e.X}
	case *Call:
		out := append([]Expr{e.F}, e.Args...)
		if e.Over != nil {
			out = append(out, e.Over.Partition...)
			for _, o := range e.Over.Order {
				out = append(out, o.Value)
			}
		}
		return out
	case *New:
		return e.Args
	case *Unary:
		return []Expr{e.X}
	case *Binary:
		return []Expr{e.X, e.Y}
	case *Cond:
		return []Expr{e.Test, e.Then, e.Else}
	case *Cast:
		return []Expr{e.X}
	case *In:
		return append([]Expr{e.X}, e.List...)
	case *Between:
		return []Expr{e.X, e.Low, e.High}
	case *Like:
		return []Expr{e.X, e.Pattern}
	case *IsNull:
		return []Expr{e.X}
	case *Case:
		out := []Expr{e.X, e.Else}
		for _, w := range e.Whens {
			out = append(out, w.Test, w.Then)
		}
		return out
	}
	return nil
}
