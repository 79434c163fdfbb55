package main

import (
	"encoding/base64"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/databricks/databricks-sdk-go/service/files"
)

// block is the most bytes of one request to DBFS.
const block = 1 << 20

// upload is a file that is written block by block.
type upload struct {
	name string
	data []byte
}

func (w *workspaceSim) fileRoutes() {
	w.route("POST /api/2.0/dbfs/put", w.dbfsPut)
	w.route("POST /api/2.0/dbfs/create", w.dbfsCreate)
	w.route("POST /api/2.0/dbfs/add-block", w.dbfsAdd)
	w.route("POST /api/2.0/dbfs/close", w.dbfsClose)
	w.route("GET /api/2.0/dbfs/read", w.dbfsRead)
	w.route("GET /api/2.0/dbfs/list", w.dbfsList)
	w.route("GET /api/2.0/dbfs/get-status", w.dbfsStatus)
	w.route("POST /api/2.0/dbfs/delete", w.dbfsDelete)
	w.raw("PUT /api/2.0/fs/files/{path...}", w.filePut)
	w.raw("GET /api/2.0/fs/files/{path...}", w.fileGet)
	w.route("DELETE /api/2.0/fs/files/{path...}", w.fileDelete)
	w.route("PUT /api/2.0/fs/directories/{path...}", w.dirPut)
	w.route("GET /api/2.0/fs/directories/{path...}", w.dirList)
	w.route("DELETE /api/2.0/fs/directories/{path...}", w.dirDelete)
}

// at returns where a DBFS path really lies.
func (w *workspaceSim) at(name string) (string, error) {
	name = strings.TrimPrefix(name, "dbfs:")
	if !path.IsAbs(name) || path.Clean(name) != name {
		return "", invalid("Path must be absolute: %s", name)
	}
	return w.dbfs(name), nil
}

// write writes a whole file at once, so that nobody reads a part of it.
func write(name string, b []byte, overwrite bool) error {
	if _, err := os.Stat(name); err == nil && !overwrite {
		return &apiError{http.StatusBadRequest, "RESOURCE_ALREADY_EXISTS", "A file or directory already exists at the input path."}
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(filepath.Dir(name)), ".put-")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err := errors.Join(err, f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

func (w *workspaceSim) dbfsPut(r *http.Request) (any, error) {
	in, err := body[files.Put](r)
	if err != nil {
		return nil, err
	}
	b, err := base64.StdEncoding.DecodeString(in.Contents)
	if err != nil || len(b) > block {
		return nil, &apiError{http.StatusBadRequest, "MAX_BLOCK_SIZE_EXCEEDED", "The contents are not base64, or have more than 1 MB."}
	}
	name, err := w.at(in.Path)
	if err != nil {
		return nil, err
	}
	return nil, write(name, b, in.Overwrite)
}

func (w *workspaceSim) dbfsCreate(r *http.Request) (any, error) {
	in, err := body[files.Create](r)
	if err != nil {
		return nil, err
	}
	name, err := w.at(in.Path)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(name); err == nil && !in.Overwrite {
		return nil, &apiError{http.StatusBadRequest, "RESOURCE_ALREADY_EXISTS", "A file or directory already exists at the input path " + in.Path + "."}
	}
	id := w.id()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.handles[id] = &upload{name: name}
	return files.CreateResponse{Handle: id}, nil
}

func (w *workspaceSim) dbfsAdd(r *http.Request) (any, error) {
	in, err := body[files.AddBlock](r)
	if err != nil {
		return nil, err
	}
	b, err := base64.StdEncoding.DecodeString(in.Data)
	if err != nil || len(b) > block {
		return nil, &apiError{http.StatusBadRequest, "MAX_BLOCK_SIZE_EXCEEDED", "The data are not base64, or have more than 1 MB."}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	u := w.handles[in.Handle]
	if u == nil {
		return nil, notThere("No file handle exists with ID: %d", in.Handle)
	}
	u.data = append(u.data, b...)
	return nil, nil
}

func (w *workspaceSim) dbfsClose(r *http.Request) (any, error) {
	in, err := body[files.Close](r)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	u := w.handles[in.Handle]
	delete(w.handles, in.Handle)
	w.mu.Unlock()
	if u == nil {
		return nil, notThere("No file handle exists with ID: %d", in.Handle)
	}
	return nil, write(u.name, u.data, true)
}

func (w *workspaceSim) dbfsRead(r *http.Request) (any, error) {
	in, err := query[files.ReadDbfsRequest](r)
	if err != nil {
		return nil, err
	}
	if in.Length > block || in.Length < 0 || in.Offset < 0 {
		return nil, &apiError{http.StatusBadRequest, "MAX_READ_SIZE_EXCEEDED", "The length is at most 1 MB."}
	}
	name, err := w.at(in.Path)
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, notThere("No file or directory exists on path %s.", in.Path)
	}
	b = b[min(in.Offset, int64(len(b))):]
	b = b[:min(in.Length, int64(len(b)))]
	return files.ReadResponse{BytesRead: int64(len(b)), Data: base64.StdEncoding.EncodeToString(b)}, nil
}

func info(name, shown string) (files.FileInfo, error) {
	fi, err := os.Stat(name)
	if err != nil {
		return files.FileInfo{}, notThere("No file or directory exists on path %s.", shown)
	}
	out := files.FileInfo{Path: shown, IsDir: fi.IsDir(), ModificationTime: fi.ModTime().UnixMilli()}
	if !fi.IsDir() {
		out.FileSize = fi.Size()
	}
	return out, nil
}

func (w *workspaceSim) dbfsStatus(r *http.Request) (any, error) {
	in, err := query[files.GetStatusRequest](r)
	if err != nil {
		return nil, err
	}
	name, err := w.at(in.Path)
	if err != nil {
		return nil, err
	}
	return info(name, in.Path)
}

func (w *workspaceSim) dbfsList(r *http.Request) (any, error) {
	in, err := query[files.ListDbfsRequest](r)
	if err != nil {
		return nil, err
	}
	name, err := w.at(in.Path)
	if err != nil {
		return nil, err
	}
	if _, err := info(name, in.Path); err != nil {
		return nil, err
	}
	list, err := os.ReadDir(name)
	if err != nil {
		return nil, err
	}
	out := files.ListStatusResponse{}
	for _, e := range list {
		if strings.HasPrefix(e.Name(), ".put-") {
			continue
		}
		if f, err := info(filepath.Join(name, e.Name()), path.Join(in.Path, e.Name())); err == nil {
			out.Files = append(out.Files, f)
		}
	}
	return out, nil
}

func (w *workspaceSim) dbfsDelete(r *http.Request) (any, error) {
	in, err := body[files.Delete](r)
	if err != nil {
		return nil, err
	}
	name, err := w.at(in.Path)
	if err != nil {
		return nil, err
	}
	if in.Recursive {
		return nil, os.RemoveAll(name)
	}
	if err := os.Remove(name); err != nil && !os.IsNotExist(err) {
		return nil, &apiError{http.StatusBadRequest, "IO_ERROR", "The directory is not empty."}
	}
	return nil, nil
}

// inVolume returns where a path of the Files API really lies: below the one volume that there is.
func (w *workspaceSim) inVolume(r *http.Request, api string) (name, shown string, err error) {
	shown, err = pathOf(r, "/api/2.0/fs/"+api)
	if err != nil || path.Clean(shown) != strings.TrimSuffix(shown, "/") || !strings.HasPrefix(shown, "/Volumes/main/default/zaffre") {
		return "", shown, notThere("The volume of %s does not exist.", shown)
	}
	return w.volumes(shown), shown, nil
}

func (w *workspaceSim) filePut(rw http.ResponseWriter, r *http.Request) {
	name, shown, err := w.inVolume(r, "files")
	if err == nil {
		if _, err = os.Stat(filepath.Dir(name)); err != nil {
			err = notThere("The parent directory of %s does not exist.", shown)
		}
	}
	var b []byte
	if err == nil {
		b, err = io.ReadAll(r.Body)
	}
	if err == nil {
		err = write(name, b, r.URL.Query().Get("overwrite") == "true")
	}
	if err != nil {
		respond(rw, nil, err)
		return
	}
	rw.WriteHeader(http.StatusNoContent)
}

func (w *workspaceSim) fileGet(rw http.ResponseWriter, r *http.Request) {
	name, shown, err := w.inVolume(r, "files")
	if err != nil {
		respond(rw, nil, err)
		return
	}
	f, err := os.Open(name)
	if err != nil {
		respond(rw, nil, notThere("The file %s does not exist.", shown))
		return
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil || fi.IsDir() {
		respond(rw, nil, notThere("The file %s does not exist.", shown))
		return
	}
	rw.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(rw, r, "", fi.ModTime(), f)
}

func (w *workspaceSim) fileDelete(r *http.Request) (any, error) {
	name, shown, err := w.inVolume(r, "files")
	if err == nil && os.Remove(name) != nil {
		err = notThere("The file %s does not exist.", shown)
	}
	return nil, err
}

func (w *workspaceSim) dirPut(r *http.Request) (any, error) {
	name, _, err := w.inVolume(r, "directories")
	if err == nil {
		err = os.MkdirAll(name, 0o755)
	}
	return nil, err
}

// dirPage is small, so that lists have several pages.
const dirPage = 5

func (w *workspaceSim) dirList(r *http.Request) (any, error) {
	name, shown, err := w.inVolume(r, "directories")
	if err != nil {
		return nil, err
	}
	list, err := os.ReadDir(name)
	if err != nil {
		return nil, notThere("The directory %s does not exist.", shown)
	}
	out, token := files.ListDirectoryResponse{}, r.URL.Query().Get("page_token")
	for _, e := range list {
		fi, err := e.Info()
		if err != nil || e.Name() <= token || strings.HasPrefix(e.Name(), ".put-") {
			continue
		}
		if len(out.Contents) == dirPage {
			out.NextPageToken = out.Contents[dirPage-1].Name
			break
		}
		d := files.DirectoryEntry{Name: e.Name(), Path: path.Join(shown, e.Name()), IsDirectory: e.IsDir(), LastModified: fi.ModTime().UnixMilli()}
		if !e.IsDir() {
			d.FileSize = fi.Size()
		}
		out.Contents = append(out.Contents, d)
	}
	return out, nil
}

func (w *workspaceSim) dirDelete(r *http.Request) (any, error) {
	name, shown, err := w.inVolume(r, "directories")
	if err != nil {
		return nil, err
	}
	err = os.Remove(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, notThere("The directory %s does not exist.", shown)
	case err != nil:
		return nil, &apiError{http.StatusBadRequest, "DIRECTORY_NOT_EMPTY", "The directory is not empty: " + shown}
	}
	return nil, nil
}
