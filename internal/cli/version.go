package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

func version(a *frame.App) *cobra.Command {
	return a.Command("version", "version", cobra.NoArgs, func(*cobra.Command, []string) error {
		v := current()
		if a.Output == "table" {
			_, err := fmt.Fprintf(a.Stdout, "zaffre %s %s %s/%s %s\n", v.Version, v.Commit, v.OS, v.Arch, v.Go)
			return err
		}
		return a.Print(v, []string{v.Version}, nil)
	})
}

// current reads what the linker knows of the source.
func current() frame.Version {
	v := frame.Version{Version: "devel", Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" && info.Main.Version != "(devel)" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v.Commit = s.Value[:min(12, len(s.Value))]
		}
	}
	return v
}
