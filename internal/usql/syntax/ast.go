// Package syntax reads U-SQL, the language of Azure Data Lake Analytics, into a tree.
package syntax

// Script is what a script says, in its order.
type Script struct{ Statements []Statement }

// Statement is one of *Declare, *Assign and *Output.
type Statement interface{ statement() }

// Declare is DECLARE @name type = value.
type Declare struct {
	At       Pos
	Name     string
	External bool
	Type     *TypeName // nil: the value's
	Value    Expr      // nil: it has a fault
}

// Assign is @name = query.
type Assign struct {
	At    Pos
	Name  string
	Query Query // nil: it has a fault
}

// Output is OUTPUT @rowset TO path ORDER BY … USING outputter.
type Output struct {
	At     Pos
	Rowset string // "": Query
	Query  Query
	Path   Expr
	Order  Order
	Using  *Call
}

func (*Declare) statement() {}
func (*Assign) statement()  {}
func (*Output) statement()  {}

// TypeName is a type as it is written, without its question mark.
type TypeName struct {
	At       Pos
	Name     string
	Nullable bool
}

// ColumnDef is a column of EXTRACT.
type ColumnDef struct {
	At   Pos
	Name string
	Type TypeName
}

// Query is one of *Extract, *Select, *SetOp and *Values.
type Query interface{ Place() Pos }

// Extract is EXTRACT columns FROM paths USING extractor.
type Extract struct {
	At      Pos
	Columns []ColumnDef
	Paths   []Expr
	Using   *Call
}

// Select is SELECT with all its clauses; From may be empty in a query of constants only.
type Select struct {
	At       Pos
	Distinct bool
	Items    []Item
	From     []Source
	Where    Expr
	Group    []Expr
	Having   Expr
	Order    Order
}

// SetOp is UNION, INTERSECT or EXCEPT.
type SetOp struct {
	At          Pos
	Op          string
	All         bool
	Left, Right Query
}

// Values is (VALUES (…), (…)) AS alias(columns).
type Values struct {
	At   Pos
	Rows [][]Expr
}

// Place returns where the query begins.
func (q *Extract) Place() Pos { return q.At }

// Place returns where the query begins.
func (q *Select) Place() Pos { return q.At }

// Place returns where the operator stands.
func (q *SetOp) Place() Pos { return q.At }

// Place returns where VALUES stands.
func (q *Values) Place() Pos { return q.At }

// Item is a column of SELECT: Value AS Name, or * or Of.*.
type Item struct {
	At    Pos
	Star  bool
	Of    string
	Value Expr
	Name  string // "": the column's own
}

// Source is a rowset of FROM. The first has no Join.
type Source struct {
	At      Pos
	Join    string // "": the first; "INNER", "LEFT", "RIGHT", "FULL", "CROSS"
	Rowset  string // "": Query
	Query   Query
	Alias   string
	Columns []string // of an alias
	On      Expr
}

// Order is ORDER BY with OFFSET and FETCH; nil where they are not there.
type Order struct {
	At            Pos
	By            []OrderItem
	Offset, Fetch Expr
}

// OrderItem is one key of ORDER BY.
type OrderItem struct {
	Value Expr
	Desc  bool
}
