// Package usql compiles U-SQL, the language of Azure Data Lake Analytics, into a plan: files to read, queries
// for DuckDB, and files to write. It runs nothing; package engine does.
package usql

import (
	"fmt"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/usql/rowfile"
	"github.com/zaffre-ml/zaffre/internal/usql/syntax"
)

// Faults are what is wrong with a script, in its order; the Field of each says where: "line 3, column 7".
type Faults = syntax.Faults

// MaxScript is the largest script that is read, in bytes.
const MaxScript = 4 << 20

// Place reads the place that the Field of a fault says; zeros where it is none in a script.
func Place(field string) (line, column int) {
	_, _ = fmt.Sscanf(field, "line %d, column %d", &line, &column)
	return line, column
}

// Plan is what a script does. Only what its outputs need is in it.
type Plan struct {
	Inputs  []Input
	Views   []View // each may use the inputs and those before it
	Outputs []Output
}

// Input is an EXTRACT.
type Input struct {
	Table   string
	Place   string
	Paths   []string // fileset.Parse reads them
	Columns []rowfile.Column
	Virtual []int  // of Columns: those that the files' names have
	Filter  string // over a row f of the virtual columns: the files that are read
	Format  rowfile.Format
	Shared  bool // it is read by several queries
}

// View is a query by its name.
type View struct {
	Name string
	SQL  string
}

// Output is an OUTPUT.
type Output struct {
	Path    string
	Place   string
	SQL     string
	Columns []rowfile.Column
	Format  rowfile.Format
}

func invalid(reason string, at syntax.Pos, what, why, fix string) *fault.Error {
	return &fault.Error{Code: fault.Invalid, Reason: reason, What: what, Why: why, Fix: fix, Field: at.String()}
}

// refused is what U-SQL has and zaffre has not.
func refused(at syntax.Pos, what, fix string) *fault.Error {
	return &fault.Error{
		Code: fault.Unsupported, Reason: "USQLNotSupported", What: what + " is not supported",
		Why: "zaffre runs a part of U-SQL, and this is not in it", Fix: fix, Field: at.String(),
	}
}
