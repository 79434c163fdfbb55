package usql

import (
	"fmt"
	"slices"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/usql/dotnet"
	"github.com/zaffre-ml/zaffre/internal/usql/fileset"
	"github.com/zaffre-ml/zaffre/internal/usql/rowfile"
	"github.com/zaffre-ml/zaffre/internal/usql/syntax"
)

// extract compiles EXTRACT.
func (c *compiler) extract(q *syntax.Extract) *rowset {
	before := len(c.faults)
	in := &Input{Place: q.At.String(), Format: c.format(q.Using, true)}
	out := &rowset{input: in}
	for _, def := range q.Columns {
		t, ok := c.typeOf(def.Type)
		if !ok {
			continue
		}
		in.Columns = append(in.Columns, rowfile.Column{Name: def.Name, Kind: t.Kind, Nullable: t.Nullable})
		out.cols = append(out.cols, column{name: def.Name, t: t, sure: !t.Nullable || t.Kind == dotnet.String && in.Format.Null == nil})
	}
	var virtual []string
	for i, e := range q.Paths {
		set, ok := c.path(e, true)
		if !ok {
			continue
		}
		if i > 0 && !slices.Equal(virtual, set.Columns()) {
			c.note(invalid("VirtualColumnsDiffer", e.Place(), "the paths have different names in braces", "a virtual column needs a value in every path", "take several EXTRACTs, and UNION ALL"))
		}
		virtual = set.Columns()
		in.Paths = append(in.Paths, set.Path)
		c.virtual(e.Place(), set, in, out)
	}
	if len(c.faults) > before || !c.distinctNames(q.At, out.cols) {
		return nil
	}
	return c.add(out)
}

// virtual finds the columns that the files' names have.
func (c *compiler) virtual(at syntax.Pos, set fileset.Set, in *Input, out *rowset) {
	for _, v := range set.Columns() {
		i := slices.IndexFunc(out.cols, func(col column) bool { return col.name == v })
		switch {
		case i < 0:
			c.note(invalid("NameUnknown", at, fmt.Sprintf("EXTRACT has no column %q", v), "the path has {"+v+"} in it", "add "+v+" to the columns of EXTRACT, or write {*}"))
			continue
		case set.Dated(v) && out.cols[i].t.Kind != dotnet.DateTime:
			c.note(invalid("TypesDiffer", at, fmt.Sprintf("the column %q is %s", v, out.cols[i].t), "the path has parts of a date for it", "make it a DateTime"))
		}
		out.cols[i].virtual, out.cols[i].sure = true, true
		if !slices.Contains(in.Virtual, i) {
			in.Virtual = append(in.Virtual, i)
		}
	}
}

// path reads a path that is known now.
func (c *compiler) path(e syntax.Expr, many bool) (set fileset.Set, ok bool) {
	v := (&scope{compiler: c}).expr(e)
	text, ok := v.lit.(string)
	if isBad(v) {
		return set, false
	}
	if !ok || v.t.Kind != dotnet.String {
		c.note(invalid("PathNotConstant", e.Place(), "this path is not known before the script runs", "files are looked up first",
			"use strings and variables with +, string.Format, and DateTime with ToString"))
		return set, false
	}
	if scheme, _, ok := strings.Cut(text, "://"); ok || strings.HasPrefix(strings.ToLower(text), "vol:") {
		c.note(refused(e.Place(), "a path elsewhere ("+scheme+"://…)", "copy the files into the store's folder, and name them from there: /folder/file.csv"))
		return set, false
	}
	set, err := fileset.Parse(text)
	if err != nil || set.Many() && !many {
		why := "a path in OUTPUT has no braces"
		if err != nil {
			why = err.Error()
		}
		c.note(invalid("PathInvalid", e.Place(), fmt.Sprintf("cannot use the path %q", text), why, "name a file from the store's folder on: /folder/file.csv"))
		return set, false
	}
	return set, true
}

// output compiles OUTPUT.
func (c *compiler) output(o *syntax.Output) {
	format := c.format(o.Using, false)
	set, ok := c.path(o.Path, false)
	r := c.outputRows(o)
	if r == nil || !ok {
		return
	}
	r.wantAll()
	s := &selecting{scope: &scope{compiler: c, sources: []source{{sql: "s1", cols: r.cols, rows: r}}}, out: &rowset{}}
	order := s.orderBy(o.Order, false)
	out := Output{Path: set.Path, Place: o.At.String(), Format: format, SQL: "SELECT " + list(r.cols, "s1.") + " FROM " + r.view + " AS s1" + order}
	for _, col := range r.cols {
		out.Columns = append(out.Columns, rowfile.Column{Name: col.name, Kind: col.t.Kind, Nullable: col.t.Nullable})
	}
	for _, other := range c.plan.Outputs {
		if other.Path == out.Path {
			c.note(invalid("NameTaken", o.Path.Place(), fmt.Sprintf("%q is written twice", out.Path), "the later would hide the other", "name another file"))
		}
	}
	r.needed = true
	r.used++
	c.plan.Outputs = append(c.plan.Outputs, out)
}

func (c *compiler) outputRows(o *syntax.Output) *rowset {
	if o.Query != nil {
		return c.query(o.Query)
	}
	r, ok := c.rowsets[o.Rowset]
	if !ok {
		s := &selecting{scope: &scope{compiler: c}}
		c.note(invalid("NameUnknown", o.At, "there is no rowset @"+o.Rowset, "no statement before this one gives it rows", s.rowsetFix(o.Rowset)))
		return nil
	}
	if r.cols == nil {
		return nil
	}
	return r
}
