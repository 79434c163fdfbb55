package kubernetes

import (
	"context"
	"io"
	"path"
	"strconv"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// The files of node 0 have the names that they have there. Those of node N come in outputs/node-N and logs/node-N, and
// what its process wrote as logs/node-N.log. Where node 0 has files of such names, the other node's go before.

// nodeName is the name of an output of a node among the run's.
func nodeName(node int, name string) string {
	if node == 0 {
		return name
	}
	top, rest, _ := strings.Cut(name, "/")
	return top + "/node-" + strconv.Itoa(node) + "/" + rest
}

func nodeLog(node int) string { return "logs/node-" + strconv.Itoa(node) + ".log" }

// nodeOf is whose output a name is, and its name there; "": it is the log of its process.
func nodeOf(name string, nodes int) (node int, own string) {
	top, rest, _ := strings.Cut(name, "/")
	first, rest, _ := strings.Cut(rest, "/")
	number, _ := strings.CutPrefix(strings.TrimSuffix(first, ".log"), "node-")
	n, err := strconv.Atoi(number)
	switch {
	case err != nil || n < 1 || n >= nodes:
		return 0, name
	case name == nodeLog(n):
		return n, ""
	case nodeName(n, top+"/"+rest) == name:
		return n, top + "/" + rest
	}
	return 0, name
}

// listNodes are the outputs of all nodes, in the order of their paths.
func (c *conn) listNodes(ctx context.Context, h driver.Handle, nodes int) ([]driver.File, error) {
	lists, errs := make([][]driver.File, nodes), make([]error, nodes)
	numbered(nodes).each(func(m *member) { lists[m.node], errs[m.node] = c.listNode(ctx, h, m.node) })
	byPath := map[string]driver.File{}
	for node, list := range lists {
		for _, f := range list {
			f.Path = nodeName(node, f.Path)
			if f.Path == nodeName(node, "log") {
				f.Path = nodeLog(node)
			}
			byPath[f.Path] = f
		}
	}
	out := make([]driver.File, 0, len(byPath))
	for _, name := range sortedKeys(byPath) {
		out = append(out, byPath[name])
	}
	return out, firstOf(errs)
}

// numbered are nodes of which nothing is known.
func numbered(nodes int) members {
	ms := make(members, nodes)
	for i := range ms {
		ms[i].node = i
	}
	return ms
}

// listNode are the outputs of a node, and the log of its process, whose name is "log", unless it is the run's.
func (c *conn) listNode(ctx context.Context, h driver.Handle, node int) ([]driver.File, error) {
	a, own, err := c.living(ctx, h, node)
	if err != nil || a == nil {
		return nil, err
	}
	list, err := a.ListOutputs(ctx, own)
	if err != nil || node == 0 {
		return list, err
	}
	size, err := c.logSize(ctx, a, own)
	if fault.CodeOf(err) == fault.NotFound {
		return list, nil // it was never started there
	}
	return append(list, driver.File{Path: "log", Mode: 0o600, Size: size}), err
}

// openNode opens an output of a run over several nodes.
func (c *conn) openNode(ctx context.Context, h driver.Handle, name string, offset int64, nodes int) (io.ReadCloser, error) {
	node, inner := nodeOf(name, nodes)
	a, own, err := c.living(ctx, h, node)
	if err != nil || a == nil {
		return nil, missingOutput(name, err)
	}
	if inner == "" {
		file, err := c.logFile(own)
		if err != nil {
			return nil, err
		}
		return a.FS().OpenFile(ctx, file, offset)
	}
	r, err := a.OpenOutput(ctx, own, inner, offset)
	if node > 0 && fault.CodeOf(err) == fault.NotFound {
		if first, own, livingErr := c.living(ctx, h, 0); first != nil && livingErr == nil {
			return first.OpenOutput(ctx, own, name, offset)
		}
	}
	return r, err
}

// logFile is where the agent of a pod keeps what the job's process writes.
func (c *conn) logFile(own driver.Handle) (string, error) {
	v, err := read(own)
	return path.Join(workDir, c.id, "jobs", v.Job, "log"), err
}

func (c *conn) logSize(ctx context.Context, a *podAgent, own driver.Handle) (int64, error) {
	file, err := c.logFile(own)
	if err != nil {
		return 0, err
	}
	entries, err := a.FS().ReadDir(ctx, path.Dir(file))
	for _, e := range entries {
		if e.Name() == path.Base(file) {
			return e.Size(), err
		}
	}
	if err == nil {
		err = missingOutput("log", nil)
	}
	return 0, err
}

// Bounds of what a message holds of a node's log.
const (
	wordsBytes = 1000
	wordsLines = 5
)

// lastWords is the end of what the process of a node wrote, which does not stand in the run's log.
func (c *conn) lastWords(ctx context.Context, m member) string {
	if m.agent == nil {
		return ""
	}
	own, err := handleFor(m.agent.job)
	if err != nil {
		return ""
	}
	size, err := c.logSize(ctx, m.agent, own)
	if err != nil || size == 0 {
		return ""
	}
	file, _ := c.logFile(own)
	r, err := m.agent.FS().OpenFile(ctx, file, max(0, size-wordsBytes))
	if err != nil {
		return ""
	}
	defer r.Close()
	b, _ := io.ReadAll(io.LimitReader(r, wordsBytes)) // what there is of it helps
	lines := strings.Split(strings.TrimSpace(strings.ToValidUTF8(string(b), "?")), "\n")
	return "; " + nodeLog(m.node) + " ends: " + strings.Join(lines[max(0, len(lines)-wordsLines):], "\n")
}
