package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

func columns() []string { return []string{"what", "zaffre", "peer or bare", "ratio", "goal", "ok?"} }

// cells are a figure's columns; n counts the notes so far.
func (f Figure) cells(n *int) []string {
	what, ok := f.What, ""
	if f.OK != nil {
		ok = map[bool]string{true: "yes", false: "NO"}[*f.OK]
	}
	if f.Note != "" {
		*n++
		what += fmt.Sprintf(" [%d]", *n)
	}
	return []string{what, f.Zaffre, f.Peer, f.Ratio, f.Goal, ok}
}

// table prints figures in columns, and their notes below.
func table(w io.Writer, figures []Figure) {
	t, n := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0), 0
	fmt.Fprintln(t, strings.Join(columns(), "\t"))
	for _, f := range figures {
		fmt.Fprintln(t, strings.Join(f.cells(&n), "\t"))
	}
	_ = t.Flush()
	notes(w, figures)
}

func markdownTable(w io.Writer, figures []Figure) {
	n := 0
	fmt.Fprintf(w, "\n| %s |\n|%s\n", strings.Join(columns(), " | "), strings.Repeat("---|", len(columns())))
	for _, f := range figures {
		fmt.Fprintf(w, "| %s |\n", strings.Join(f.cells(&n), " | "))
	}
	fmt.Fprintln(w)
	notes(w, figures)
}

func notes(w io.Writer, figures []Figure) {
	n := 0
	for _, f := range figures {
		if f.Note != "" {
			n++
			fmt.Fprintf(w, "[%d] %s\n", n, f.Note)
		}
	}
}
