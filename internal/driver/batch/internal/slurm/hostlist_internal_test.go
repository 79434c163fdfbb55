package slurm

import (
	"slices"
	"testing"
)

func TestNodesOf(t *testing.T) {
	t.Parallel()
	for list, want := range map[string][]string{
		"node1":              {"node1"},
		"a,b":                {"a", "b"},
		"node[1,3]":          {"node1", "node3"},
		"gpu[08-10,7],login": {"gpu08", "gpu09", "gpu10", "gpu7", "login"},
		"r[1-2]n[1-2]":       {"r1n1", "r1n2", "r2n1", "r2n2"},
		"odd[x]":             {"odd[x]"},
		"open[1-":            {"open[1-"},
	} {
		if got := nodesOf(list); !slices.Equal(got, want) {
			t.Errorf("%q has the nodes %q, want %q", list, got, want)
		}
	}
	if got := nodesOf("n[0-99999999]"); len(got) != maxNodes {
		t.Errorf("a long list has %d names", len(got))
	}
}
