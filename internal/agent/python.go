package agent

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
)

// realPython returns the interpreter behind the machine's "python3", the zero value if there is none. What
// stands on the PATH may be a shim that costs more than the interpreter's own start.
func realPython() wire.Python {
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		name := filepath.Join(dir, "python3")
		if !filepath.IsAbs(name) || executable(name) != "" {
			continue
		}
		if p, ok := behind(name); ok {
			return p
		}
	}
	return wire.Python{}
}

// behind asks an interpreter for its own path and version. A shim may choose by the folder it is started in.
func behind(name string) (p wire.Python, ok bool) {
	ctx, cancel := context.WithTimeout(context.Background(), toolLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, "-c", `import sys; print(sys.executable); print("%d.%d.%d" % sys.version_info[:3])`)
	cmd.Dir = "/"
	out, err := cmd.Output()
	path, version, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	if err != nil || executable(path) != "" {
		return p, false
	}
	return wire.Python{Path: path, Version: version}, true
}
