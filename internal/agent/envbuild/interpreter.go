package envbuild

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
)

// probeTime bounds one start of an interpreter.
const probeTime = 10 * time.Second

// probe prints what we need to know of an interpreter. It runs on Python 2 too.
const probe = `import json, platform, sys
print(json.dumps({"version": platform.python_version(), "executable": sys.executable, "implementation":
platform.python_implementation(), "final": sys.version_info[3] == "final", "abi": getattr(sys, "abiflags", ""), "bits64": sys.maxsize > 2**32}))`

// probed is what an interpreter says of itself.
type probed struct {
	Version        string `json:"version"` // "3.10.13"
	Executable     string `json:"executable"`
	Implementation string `json:"implementation"`
	Final          bool   `json:"final"`
	ABI            string `json:"abi"`
	Bits64         bool   `json:"bits64"`
}

// usable reports whether environments can be built on it: CPython 3, not free-threaded.
func (p probed) usable() bool {
	return p.Implementation == "CPython" && strings.HasPrefix(p.Version, "3.") && !strings.Contains(p.ABI, "t") && p.Bits64
}

// probePath runs an interpreter, which may be a name on the PATH or a wrapper such as pyenv's shims.
func probePath(ctx context.Context, name string) (probed, error) {
	var p probed
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, "-c", probe)
	cmd.Env = append(baseEnviron(), "PYTHONNOUSERSITE=1")
	cmd.Dir = "/"
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if e, ok := errors.AsType[*exec.ExitError](err); ok && len(e.Stderr) > 0 {
		return p, fmt.Errorf("%w: %s", err, firstLine(string(e.Stderr)))
	}
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal(out, &p); err != nil || p.Executable == "" {
		return p, fmt.Errorf("%s is not a Python interpreter", name)
	}
	return p, nil
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	return s
}

// Interpreters returns the CPython 3 interpreters of this machine, the newest first, each once and
// by its real path. It looks into dirs (folders with interpreters, with bin/, or with folders that
// have it; interpreters by path), then where they usually are. Each is started once and remembered
// in root/interpreters.json until its file changes; root "" remembers nothing.
func Interpreters(ctx context.Context, root string, dirs []string) []wire.Python {
	memory := loadMemory(root)
	known := len(memory.entries)
	var found []wire.Python
	seen := map[string]bool{}
	for _, path := range candidates(root, dirs) {
		real, err := filepath.EvalSymlinks(path)
		if err != nil || seen[real] || isScript(real) {
			continue
		}
		seen[real] = true
		if p, ok := memory.probe(ctx, real); ok && p.usable() {
			found = append(found, wire.Python{Path: real, Version: p.Version})
		}
	}
	if len(memory.entries) != known {
		memory.save(root)
	}
	slices.SortStableFunc(found, func(a, b wire.Python) int { return compareVersions(b.Version, a.Version) })
	return found
}

var interpreterName = lazy(`^python3?(\.\d+)?$`)

// candidates lists paths that may be interpreters, those of dirs first.
func candidates(root string, dirs []string) []string {
	home, _ := os.UserHomeDir()
	usual := filepath.SplitList(os.Getenv("PATH"))
	usual = append(usual, "/usr/bin", "/usr/local/bin",
		filepath.Join(cmp.Or(os.Getenv("PYENV_ROOT"), filepath.Join(home, ".pyenv")), "versions"),
		filepath.Join(home, ".local/share/uv/python"))
	if root != "" {
		usual = append(usual, filepath.Join(root, pythonsFolder))
	}
	for _, c := range condaFolders(home) {
		usual = append(usual, c, filepath.Join(c, "envs"))
	}
	var out []string
	for _, dir := range slices.Concat(dirs, usual) {
		if !filepath.IsAbs(dir) {
			continue
		}
		if info, err := os.Stat(dir); err == nil && !info.IsDir() {
			out = append(out, dir)
			continue
		}
		out = append(out, interpretersIn(dir)...)
		out = append(out, interpretersIn(filepath.Join(dir, "bin"))...)
		for _, sub := range entries(dir) {
			out = append(out, interpretersIn(filepath.Join(dir, sub, "bin"))...)
		}
	}
	return out
}

func condaFolders(home string) []string {
	out := []string{"/opt/conda", "/opt/miniconda3", "/opt/miniforge3", "/anaconda"}
	for _, name := range []string{"miniconda3", "miniforge3", "mambaforge", "anaconda3", "micromamba"} {
		out = append(out, filepath.Join(home, name))
	}
	if p := os.Getenv("MAMBA_ROOT_PREFIX"); p != "" {
		out = append(out, p)
	}
	return out
}

// entries lists a folder; many folders on the PATH are large, and only small ones hold Pythons.
func entries(dir string) []string {
	list, err := os.ReadDir(dir)
	if err != nil || len(list) > 200 {
		return nil
	}
	var out []string
	for _, e := range list {
		if e.IsDir() || e.Type()&os.ModeSymlink != 0 {
			out = append(out, e.Name())
		}
	}
	return out
}

func interpretersIn(dir string) []string {
	matches, _ := filepath.Glob(filepath.Join(globEscape(dir), "python*"))
	return slices.DeleteFunc(matches, func(m string) bool { return !interpreterName().MatchString(filepath.Base(m)) })
}

var globSpecial = lazy(`[*?\[\\]`)

func globEscape(s string) string { return globSpecial().ReplaceAllString(s, `\$0`) }

// isScript reports whether the file is a wrapper, such as pyenv's shims: the interpreter behind it
// changes without the file changing, and costs another 30 ms at each start.
func isScript(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return true
	}
	defer f.Close()
	var head [2]byte
	n, _ := f.Read(head[:])
	return n < 2 || string(head[:]) == "#!"
}

// A memory keeps what interpreters said, by path and by what tells one file from another.
type memory struct{ entries map[string]remembered }

type remembered struct {
	Modified int64  `json:"modified"`
	Size     int64  `json:"size"`
	Inode    uint64 `json:"inode"`
	Probed   probed `json:"probed"`
}

func memoryFile(root string) string { return filepath.Join(root, "interpreters.json") }

func loadMemory(root string) memory {
	m := memory{entries: map[string]remembered{}}
	if root == "" {
		return m
	}
	if text, err := os.ReadFile(memoryFile(root)); err == nil && json.Unmarshal(text, &m.entries) != nil {
		m.entries = map[string]remembered{}
	}
	return m
}

func (m memory) save(root string) {
	if text, err := json.Marshal(m.entries); err == nil && root != "" {
		_ = writeWhole(memoryFile(root), text) // only time is lost without it
	}
}

// probe returns what the interpreter says, and false when it does not run.
func (m memory) probe(ctx context.Context, path string) (probed, bool) {
	info, err := os.Stat(path)
	if err != nil {
		return probed{}, false
	}
	now := remembered{Modified: info.ModTime().UnixNano(), Size: info.Size()}
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		now.Inode = s.Ino
	}
	old, ok := m.entries[path]
	if ok && old.Modified == now.Modified && old.Size == now.Size && old.Inode == now.Inode {
		return old.Probed, true
	}
	delete(m.entries, path)
	if now.Probed, err = probePath(ctx, path); err != nil {
		return probed{}, false
	}
	m.entries[path] = now
	return now.Probed, true
}

// compareVersions orders "3.9.18" before "3.10.2".
func compareVersions(a, b string) int {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(as), len(bs)) {
		if c := cmp.Compare(leadingNumber(as[i]), leadingNumber(bs[i])); c != 0 {
			return c
		}
	}
	return cmp.Or(cmp.Compare(len(as), len(bs)), -cmp.Compare(len(a), len(b))) // 3.13.0 is after 3.13.0rc1
}

func leadingNumber(s string) int {
	n, _ := strconv.Atoi(s[:len(s)-len(strings.TrimLeft(s, "0123456789"))])
	return n
}

// minorOf returns "3.10" of "3.10.13".
func minorOf(version string) string {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return version
	}
	return parts[0] + "." + parts[1]
}
