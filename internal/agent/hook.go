package agent

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/zaffre-ml/zaffre/internal/pyhook"
)

// hookDir is the folder of the root that comes first on the PYTHONPATH of jobs that reach the server.
const hookDir = "python"

// layHook writes the file that Python loads when it starts in a job.
func layHook(root string) error {
	name := filepath.Join(root, hookDir, pyhook.File)
	if b, err := os.ReadFile(name); err == nil && string(b) == string(pyhook.Script) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), "new-") // jobs that start at once do not meet
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(pyhook.Script)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// hook puts the folder first on the path of a job's Python.
func hook(env map[string]string, root string) {
	path := filepath.Join(root, hookDir)
	if own := env["PYTHONPATH"]; own != "" {
		path += ":" + own
	}
	env["PYTHONPATH"] = path
}
