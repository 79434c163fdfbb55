// Package pyscan finds out which names of Azure Machine Learning's SDK v1 a Python script uses, without
// Python and without running anything.
//
// It reads a script line by line and follows imports, assignments, loops, with, and the functions of the
// script itself. What a value is that comes from elsewhere it does not know, and then it says nothing.
package pyscan

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/azureml"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Unknown is the support of what looks like a name of the SDK and is in no table.
const Unknown azureml.Support = "unknown"

// Use is a use of the SDK in a file: a call, or another use of what is not served or has a note.
type Use struct {
	File    string          `json:"file"`
	Cell    int             `json:"cell,omitempty"` // of a notebook, from 1; then Line is the cell's
	Line    int             `json:"line"`
	Call    string          `json:"call"` // "Run.log", "ScriptRunConfig()"
	Support azureml.Support `json:"support"`
	Note    string          `json:"note,omitempty"`
	Part    string          `json:"part,omitempty"`
}

// Place says where a use is, in its file.
func (u Use) Place() string {
	if u.Cell > 0 {
		return fmt.Sprintf("[%d]:%d", u.Cell, u.Line)
	}
	return strconv.Itoa(u.Line)
}

// Script returns the uses in a script, in their order.
func Script(x *azureml.Index, file, src string) []Use {
	return scan(x, file, []piece{{0, src}})
}

// Notebook returns the uses in a notebook (nbformat 4, or 3). Cells with %%writefile are scripts of their
// own: their File is the notebook's and theirs. It fails with fault.Invalid, Reason "NotebookInvalid".
func Notebook(x *azureml.Index, file string, raw []byte) ([]Use, error) {
	var doc struct {
		Cells      []cell
		Worksheets []struct{ Cells []cell }
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, &fault.Error{
			Code: fault.Invalid, Reason: "NotebookInvalid", What: fmt.Sprintf("cannot read the notebook %q", file),
			Why: "it is not the JSON that notebooks are: " + err.Error(), Fix: "save it again in Jupyter, or export it as a script",
		}
	}
	for _, w := range doc.Worksheets {
		doc.Cells = append(doc.Cells, w.Cells...)
	}
	var code []piece
	var out []Use
	for i, c := range doc.Cells {
		if c.Kind != "code" {
			continue
		}
		written, src := c.python()
		if written != "" {
			out = append(out, scan(x, file+":"+written, []piece{{i + 1, src}})...)
			continue
		}
		code = append(code, piece{i + 1, src})
	}
	return append(scan(x, file, code), out...), nil
}

type cell struct {
	Kind   string `json:"cell_type"`
	Source any    // a text, or a list of lines
	Input  any    // nbformat 3
}

// python returns the cell's code, with lines that only Jupyter understands left empty; and the name of the
// file that the cell writes instead of running.
func (c cell) python() (written, src string) {
	src = joined(c.Source) + joined(c.Input)
	first, _, _ := strings.Cut(strings.TrimLeft(src, " \n"), "\n")
	if magic, ok := strings.CutPrefix(first, "%%"); ok {
		words := strings.Fields(magic)
		switch {
		case len(words) > 1 && words[0] == "writefile" && strings.HasSuffix(words[len(words)-1], ".py"):
			written = words[len(words)-1]
		case len(words) > 0 && slices.Contains([]string{"time", "timeit", "capture"}, words[0]):
		default:
			return "", ""
		}
	}
	rows := strings.Split(src, "\n")
	for i, row := range rows {
		if t := strings.TrimSpace(row); strings.HasPrefix(t, "%") || strings.HasPrefix(t, "!") || strings.HasPrefix(t, "?") || strings.HasSuffix(t, "?") && !strings.Contains(t, "#") {
			rows[i] = ""
		}
	}
	return written, strings.Join(rows, "\n")
}

func joined(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []any:
		var b strings.Builder
		for _, line := range v {
			s, _ := line.(string)
			b.WriteString(s)
		}
		return b.String()
	}
	return ""
}

// piece is code that goes on where the one before ended: the cells of a notebook.
type piece struct {
	cell int
	src  string
}

// scan goes over the code until it learns nothing more, at most four times: what a function is called with
// and what names it finds around it is known only after the first.
func scan(x *azureml.Index, file string, code []piece) []Use {
	s := &scanner{index: x, globals: map[string]string{}, functions: map[string]*function{}}
	for range 4 {
		s.uses, s.learned = nil, false
		s.begin()
		for _, p := range code {
			s.cell = p.cell
			for _, l := range lines(p.src) {
				s.statement(l)
			}
			s.leave(0)
		}
		if !s.learned {
			break
		}
	}
	for i := range s.uses {
		s.uses[i].File = file
	}
	slices.SortStableFunc(s.uses, func(a, b Use) int { return cmp.Or(cmp.Compare(a.Cell, b.Cell), cmp.Compare(a.Line, b.Line)) })
	return slices.Compact(s.uses)
}
