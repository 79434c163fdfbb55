package envbuild_test

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/agent/envbuild"
	"github.com/zaffre-ml/zaffre/internal/agent/wire"
	"github.com/zaffre-ml/zaffre/internal/conda"
)

// BenchmarkBuild compares a build of the SDK's definition with uv alone on the same cache: the goal
// is uv plus 10 %, by wall clock and by processor time. "uv-copy" is uv alone with the link mode that root's builds take.
func BenchmarkBuild(b *testing.B) {
	folder, why := uvFolder()
	if why == "" {
		why = online()
	}
	if why != "" {
		b.Skip(why)
	}
	root := b.TempDir()
	if err := linkUV(root, folder); err != nil {
		b.Fatal(err)
	}
	py := envbuild.Interpreters(b.Context(), root, nil)[0]
	for _, p := range envbuild.Interpreters(b.Context(), root, nil) {
		if strings.HasPrefix(p.Version, "3.10.") {
			py = p
		}
	}
	plan, err := conda.Translate([]byte(strings.ReplaceAll(sdkSpec, "VERSION", py.Version)), nil)
	if err != nil {
		b.Fatal(err)
	}
	zaffre := func(b *testing.B) {
		r := envbuild.Run(b.Context(), root, wire.Build{Digest: "d", Python: plan.Python, Requirements: plan.Requirements, PipOnly: plan.Pip}, io.Discard)
		if r.State != wire.BuildDone {
			b.Fatal(r.Message)
		}
	}
	bare := func(mode string) func(*testing.B) {
		return func(b *testing.B) {
			uv, env := filepath.Join(folder, "bin", "uv"), envbuild.Prefix(root, "d")
			uvRun(b, root, uv, "venv", "--quiet", "--python", py.Path, env)
			args := []string{"pip", "install", "--quiet", "--link-mode", mode, "--python", filepath.Join(env, "bin", "python")}
			uvRun(b, root, uv, append(append(args, plan.Requirements...), plan.Pip...)...)
		}
	}
	zaffre(b) // fills the cache
	for _, c := range []struct {
		name string
		run  func(*testing.B)
	}{{"uv-hardlink", bare("hardlink")}, {"uv-copy", bare("copy")}, {"zaffre", zaffre}} {
		b.Run(c.name, func(b *testing.B) {
			var used time.Duration
			for b.Loop() {
				b.StopTimer()
				if err := os.RemoveAll(envbuild.Prefix(root, "d")); err != nil {
					b.Fatal(err)
				}
				before := cpu()
				b.StartTimer()
				c.run(b)
				used += cpu() - before
			}
			b.ReportMetric(float64(used.Milliseconds())/float64(b.N), "cpu-ms/op")
		})
	}
}

// cpu returns the processor time of this process and its ended children: it depends less on what
// else the machine does.
func cpu() (total time.Duration) {
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if syscall.Getrusage(who, &u) == nil {
			total += time.Duration(u.Utime.Nano() + u.Stime.Nano())
		}
	}
	return total
}

func uvRun(b *testing.B, root, uv string, args ...string) {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), uv, args...)
	cmd.Env = append(os.Environ(), "UV_CACHE_DIR="+filepath.Join(root, "uv-cache"))
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("uv %q: %v\n%s", args, err, out)
	}
}
