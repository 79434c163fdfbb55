package sparksubmit

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/driver"
)

// checkFiles refuses options that name files of the run's code that are not in it: Spark says so late, and in a stack of
// Java's calls.
func checkFiles(ctx context.Context, job driver.Job) error {
	var code []driver.File
	for _, option := range []string{"pyFiles", "jars", "files", "archives"} {
		for _, name := range words(job.Options[option]) {
			if !isRelative(name) {
				continue
			}
			if code == nil && job.Files != nil {
				var err error
				if code, err = job.Files.Manifest(ctx); err != nil {
					return err
				}
			}
			if within := path.Join(job.Dir, name); !holds(code, within) {
				return optionFault(option, fmt.Sprintf("there is no %q in the code of the run", within), "put it into the script's folder, or give a path of the machine, from / on")
			}
		}
	}
	return nil
}

// isRelative reports whether a name is that of one file of the code: no path of the machine, no URL, no pattern, no list.
func isRelative(name string) bool {
	return !strings.HasPrefix(name, "/") && !strings.ContainsAny(name, ":*?[{#,")
}

// holds reports whether a file or folder is among the files.
func holds(files []driver.File, name string) bool {
	for _, f := range files {
		if f.Path == name || strings.HasPrefix(f.Path, name+"/") {
			return true
		}
	}
	return false
}
