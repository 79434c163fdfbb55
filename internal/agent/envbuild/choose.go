package envbuild

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

const (
	pythonsFolder = "pythons"
	downloadTime  = 15 * time.Second // to begin with; a network that answers has longer
)

// choose picks the interpreter: one of the minor version asked for, of this machine or downloaded
// by uv, else the nearest newer one unless Exact.
func (b *build) choose(ctx context.Context) (wire.Python, error) {
	all := Interpreters(ctx, b.root, b.Interpreters)
	if b.Python == "" {
		return b.byDefault(ctx, all)
	}
	minor := minorOf(b.Python)
	if py, ok := ofMinor(all, minor); ok {
		return py, nil
	}
	if b.download(ctx, minor) {
		all = Interpreters(ctx, b.root, b.Interpreters)
		if py, ok := ofMinor(all, minor); ok {
			return py, nil
		}
	}
	if py, ok := newerThan(all, minor); ok && !b.Exact {
		b.warn("Python %s is asked for and not on this machine: Python %s is used instead", minor, py.Version)
		return py, nil
	}
	return wire.Python{}, b.pythonMissing(minor, all)
}

func ofMinor(all []wire.Python, minor string) (wire.Python, bool) {
	i := slices.IndexFunc(all, func(p wire.Python) bool { return minorOf(p.Version) == minor })
	if i < 0 {
		return wire.Python{}, false
	}
	return all[i], true
}

// newerThan returns the newest patch release of the next minor version; all has the newest first.
func newerThan(all []wire.Python, minor string) (wire.Python, bool) {
	var next string
	for _, p := range all {
		if compareVersions(minorOf(p.Version), minor) > 0 {
			next = minorOf(p.Version)
		}
	}
	return ofMinor(all, next)
}

// byDefault returns the machine's own python3, else the newest interpreter.
func (b *build) byDefault(ctx context.Context, all []wire.Python) (wire.Python, error) {
	if p, err := probePath(ctx, "python3"); err == nil && p.usable() {
		return wire.Python{Path: p.Executable, Version: p.Version}, nil
	}
	if len(all) > 0 {
		return all[0], nil
	}
	return wire.Python{}, b.pythonMissing("3", all)
}

// download asks uv for an interpreter. Where the network does not let it, that ends soon.
func (b *build) download(ctx context.Context, minor string) bool {
	if strings.EqualFold(os.Getenv("UV_PYTHON_DOWNLOADS"), "never") {
		return false
	}
	b.reach(ctx)
	if b.proxy != nil && b.environ()["UV_PYTHON_INSTALL_MIRROR"] == "" {
		b.log.printf("Python %s is not on this machine, and by way of the server come packages only.", minor)
		return false
	}
	b.log.printf("Python %s is not on this machine; asking uv to download it.", minor)
	ctx, cancel := context.WithTimeout(ctx, downloadTime)
	defer cancel()
	err := b.uvRun(ctx, "python", "install", "--no-config", "--no-bin", "--install-dir", filepath.Join(b.root, pythonsFolder), minor)
	if err != nil {
		b.log.printf("It could not be downloaded.")
	}
	return err == nil
}

func (b *build) pythonMissing(minor string, all []wire.Python) error {
	there := "no Python 3"
	if len(all) > 0 {
		var list []string
		for _, p := range all {
			list = append(list, p.Version)
		}
		there = "Python " + strings.Join(slices.Compact(list), ", ")
	}
	why := fmt.Sprintf("this machine has %s, and uv could not download another", there)
	if b.Exact {
		why += "; the definition allows no newer version"
	}
	return &fault.Error{
		Code: fault.NotFound, Reason: "PythonMissing", What: fmt.Sprintf("there is no Python %s for the environment", minor),
		Why: why, Fix: fmt.Sprintf("install Python %s there, name the folder it is in, or ask for a version that is there", minor),
	}
}
