package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/usql"
	"github.com/zaffre-ml/zaffre/internal/usql/dotnet"
	"github.com/zaffre-ml/zaffre/internal/usql/fileset"
	"github.com/zaffre-ml/zaffre/internal/usql/rowfile"
)

// chosen is a file that is read, and the virtual columns' values in its name.
type chosen struct {
	path   string
	values map[string]string
}

// inputs extracts the files that the queries want, and shows them to DuckDB.
func (r *run) inputs(ctx context.Context) error {
	for i, in := range r.plan.Inputs {
		files, err := r.find(in)
		if err == nil && in.Filter != "" {
			files, err = r.filter(in, files)
		}
		if err != nil {
			return err
		}
		list, err := r.extractAll(ctx, in, files, filepath.Join(r.work, fmt.Sprintf("in%d", i)))
		if err != nil {
			return err
		}
		kind := "VIEW"
		if in.Shared {
			kind = "TABLE"
		}
		if _, err := r.duck.run("CREATE " + kind + " " + in.Table + " AS SELECT * FROM " + reading(list, in.Columns)); err != nil {
			return err
		}
	}
	return nil
}

// find lists the files of an input, in the order of its paths and then of their names.
func (r *run) find(in usql.Input) ([]chosen, error) {
	var out []chosen
	for _, p := range in.Paths {
		set, err := fileset.Parse(p)
		if err != nil {
			return nil, err
		}
		if !set.Many() {
			out = append(out, chosen{path: set.Path})
			continue
		}
		found, err := r.walk(set)
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, &fault.Error{
				Code: fault.NotFound, Reason: "InputFileNotFound", What: fmt.Sprintf("no file fits %q", "/"+set.Path), Why: "the store's folder has none with such a name",
				Fix: "look at the names below " + set.Dir() + ", and at the case of the letters", Field: in.Place,
			}
		}
		out = append(out, found...)
	}
	return out, nil
}

func (r *run) walk(set fileset.Set) (out []chosen, err error) {
	err = fs.WalkDir(r.Store.FS(), set.Dir(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		}
		values, ok := set.Match(path)
		if info, err := r.Store.Stat(path); ok && err == nil && info.Mode().IsRegular() {
			out = append(out, chosen{path, values})
		}
		return nil
	})
	if err != nil {
		return nil, unreadable(set.Dir(), "", err)
	}
	return out, nil
}

// filter asks DuckDB which files the conditions on the virtual columns leave.
func (r *run) filter(in usql.Input, files []chosen) ([]chosen, error) {
	columns := []rowfile.Column{{Name: "/", Kind: dotnet.Int}}
	for _, i := range in.Virtual {
		columns = append(columns, in.Columns[i])
	}
	var rows strings.Builder
	for n, f := range files {
		line := []string{fmt.Sprint(n)}
		for _, c := range columns[1:] {
			line = append(line, `"`+strings.ReplaceAll(f.values[c.Name], `"`, `""`)+`"`)
		}
		x := rowfile.Extraction{Name: f.path, Format: rowfile.Exchange(), Columns: columns}
		if _, err := x.Exchange(&rows, strings.NewReader(strings.Join(line, ",")+"\n")); err != nil {
			return nil, err
		}
	}
	list := filepath.Join(r.work, "files.csv")
	if err := os.WriteFile(list, []byte(rows.String()), 0o600); err != nil {
		return nil, unwritable(err)
	}
	got, err := r.duck.run("SELECT f." + name("/") + " FROM " + reading([]string{list}, columns) + " AS f WHERE " + in.Filter)
	if err != nil {
		return nil, err
	}
	var keep []int
	for _, row := range got {
		if n, ok := row[0].(float64); ok {
			keep = append(keep, int(n))
		}
	}
	slices.Sort(keep)
	var out []chosen
	for _, n := range keep {
		out = append(out, files[n])
	}
	return out, nil
}

// extractAll extracts the files on all processors, and returns what DuckDB reads, in the files' order.
func (r *run) extractAll(ctx context.Context, in usql.Input, files []chosen, base string) ([]string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	shares := r.shares(files)
	list, done, errs := make([]string, len(shares)), make([][]File, len(shares)), make([]error, len(shares))
	var wg sync.WaitGroup
	for i, share := range shares {
		list[i] = fmt.Sprintf("%s-%d.csv", base, i)
		wg.Go(func() {
			if done[i], errs[i] = r.extract(ctx, in, share, list[i]); errs[i] != nil {
				cancel()
			}
		})
	}
	wg.Wait()
	r.result.Inputs = append(r.result.Inputs, slices.Concat(done...)...)
	return list, first(errs)
}

// first returns the first error that is not of a reader that was stopped for the sake of another's.
func first(errs []error) error {
	for _, err := range errs {
		if err != nil && !errors.Is(err, os.ErrClosed) {
			return err
		}
	}
	return errors.Join(errs...)
}

// shares splits the files into one part of about the same size for each processor.
func (r *run) shares(files []chosen) [][]chosen {
	total, sizes := int64(0), make([]int64, len(files))
	for i, f := range files {
		if info, err := r.Store.Stat(f.path); err == nil {
			sizes[i] = info.Size()
		}
		total += sizes[i]
	}
	out := [][]chosen{nil}
	each, now := total/int64(cmp.Or(r.Threads, runtime.GOMAXPROCS(0)))+1, int64(0)
	for i, f := range files {
		if now > 0 && now+sizes[i]/2 > each {
			out, now = append(out, nil), 0
		}
		out[len(out)-1] = append(out[len(out)-1], f)
		now += sizes[i]
	}
	return out
}

// extract writes the rows of files behind each other.
func (r *run) extract(ctx context.Context, in usql.Input, files []chosen, csv string) (done []File, err error) {
	out, err := os.OpenFile(csv, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return nil, unwritable(err)
	}
	defer func() {
		if cerr := out.Close(); err == nil && cerr != nil {
			err = unwritable(cerr)
		}
	}()
	for _, f := range files {
		rows, err := r.extractOne(ctx, in, f, out)
		if err != nil {
			return nil, err
		}
		done = append(done, File{f.path, rows})
	}
	return done, nil
}

func (r *run) extractOne(ctx context.Context, in usql.Input, f chosen, out io.Writer) (int64, error) {
	src, err := r.Store.Open(f.path)
	if err != nil {
		return 0, unreadable(f.path, in.Place, err)
	}
	defer src.Close()
	if info, err := src.Stat(); err != nil || info.IsDir() {
		return 0, unreadable(f.path, in.Place, errors.Join(err, errors.New("it is no file")))
	}
	defer context.AfterFunc(ctx, func() { _ = src.Close() })()
	fixed := map[int]string{}
	for _, i := range in.Virtual {
		fixed[i] = f.values[in.Columns[i].Name]
	}
	r.tell(Reading, f.path, 0)
	x := rowfile.Extraction{Name: "/" + f.path, Format: in.Format, Columns: in.Columns, Fixed: fixed}
	rows, err := x.Exchange(out, src)
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return rows, scratchFull(err)
	case err == nil:
		r.tell(Read, f.path, rows)
	}
	return rows, err
}

func unreadable(path, place string, err error) error {
	code := fault.Precondition
	if errors.Is(err, fs.ErrNotExist) {
		code = fault.NotFound
	}
	return &fault.Error{
		Code: code, Reason: "InputFileNotFound", What: fmt.Sprintf("cannot read %q", "/"+path), Why: "the store's folder has no such file, or it may not be read",
		Fix: "look at the path: it begins at the store's folder, and nothing outside of that is read", Field: place, Err: err,
	}
}
