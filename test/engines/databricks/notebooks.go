package main

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/databricks/databricks-sdk-go/service/jobs"
	"github.com/databricks/databricks-sdk-go/service/workspace"
)

// notebook is the source of one, in Python.
type notebook struct {
	id     int64
	source []byte
}

// prelude gives a notebook the parts of dbutils that need no cluster. Its argument is a folder.
const prelude = `import json, sys
_dir = sys.argv[1]
class _Exit(SystemExit): pass
class _Widgets:
    _v = json.load(open(_dir + "/parameters.json"))
    def get(self, name): return self._v[name]
    def text(self, name, default="", label=None): self._v.setdefault(name, default)
class _Notebook:
    def exit(self, value):
        open(_dir + "/result", "w").write(str(value))
        raise _Exit(0)
class dbutils:
    widgets, notebook = _Widgets(), _Notebook()
exec(compile(open(_dir + "/source.py").read(), "notebook", "exec"), {"dbutils": dbutils, "__name__": "__main__"})
`

func (w *workspaceSim) notebookRoutes() {
	w.route("POST /api/2.0/workspace/import", w.importNotebook)
	w.route("GET /api/2.0/workspace/get-status", func(r *http.Request) (any, error) {
		in, err := query[workspace.GetStatusRequest](r)
		if err != nil {
			return nil, err
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		n, ok := w.notebooks[in.Path]
		if !ok {
			return nil, notThere("Path (%s) doesn't exist.", in.Path)
		}
		return workspace.ObjectInfo{ObjectId: n.id, ObjectType: workspace.ObjectTypeNotebook, Language: workspace.LanguagePython, Path: in.Path}, nil
	})
	w.route("POST /api/2.0/workspace/delete", func(r *http.Request) (any, error) {
		in, err := body[workspace.Delete](r)
		if err != nil {
			return nil, err
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if _, ok := w.notebooks[in.Path]; !ok {
			return nil, notThere("Path (%s) doesn't exist.", in.Path)
		}
		delete(w.notebooks, in.Path)
		return nil, nil
	})
}

func (w *workspaceSim) importNotebook(r *http.Request) (any, error) {
	in, err := body[workspace.Import](r)
	if err != nil {
		return nil, err
	}
	source, err := base64.StdEncoding.DecodeString(in.Content)
	if err != nil || len(source) > 10<<20 {
		return nil, invalid("The content is not base64, or has more than 10 MB.")
	}
	if in.Format != workspace.ImportFormatSource || in.Language != workspace.LanguagePython {
		return nil, &apiError{http.StatusNotImplemented, "NOT_IMPLEMENTED", "this simulator imports Python sources"}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, had := w.notebooks[in.Path]; had && !in.Overwrite {
		return nil, &apiError{http.StatusBadRequest, "RESOURCE_ALREADY_EXISTS", "Path (" + in.Path + ") already exists."}
	}
	w.next++
	w.notebooks[in.Path] = notebook{w.next, source}
	return nil, nil
}

// notebookCommand makes the process of a notebook. done reads what it gave to dbutils.notebook.exit.
func (w *workspaceSim) notebookCommand(x *run, t jobs.NotebookTask) (*exec.Cmd, func(), error) {
	w.mu.Lock()
	n, ok := w.notebooks[t.NotebookPath]
	w.mu.Unlock()
	if !ok {
		return nil, nil, says("Unable to access the notebook %q. Either it does not exist, or the identity used to run this job lacks the required permissions.", t.NotebookPath)
	}
	dir := filepath.Join(w.dir, "notebook", itoa(x.id))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, nil, err
	}
	if t.BaseParameters == nil {
		t.BaseParameters = map[string]string{}
	}
	parameters, err := json.Marshal(t.BaseParameters)
	if err != nil {
		return nil, nil, err
	}
	for name, b := range map[string][]byte{"source.py": n.source, "parameters.json": parameters} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			return nil, nil, err
		}
	}
	result := filepath.Join(dir, "result")
	return exec.Command("python3", "-c", prelude, dir), func() {
		b, _ := os.ReadFile(result)
		x.mu.Lock()
		defer x.mu.Unlock()
		x.notebook = string(b)
	}, nil
}
