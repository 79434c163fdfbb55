package agent

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
)

// outputDirs are the folders whose files are kept.
var outputDirs = [...]string{"outputs", "logs"}

// outputs lists the regular files that a job left, in the order of their paths. Links are not
// followed: they could lead anywhere.
func (s *server) outputs(ref wire.JobRef) ([]wire.File, error) {
	dir, err := s.jobDir(ref.Job)
	if err != nil {
		return nil, err
	}
	list, err := outputsIn(filepath.Join(dir, codeDir))
	for _, task := range taskFolders(dir) {
		var more []wire.File
		if err == nil {
			more, err = outputsOfTask(task)
		}
		list = append(list, more...)
	}
	if err != nil {
		return nil, diskFault("list the outputs", err)
	}
	slices.SortFunc(list, func(a, b wire.File) int { return strings.Compare(a.Path, b.Path) })
	return list, nil
}

// outputsIn lists what a process left below its code.
func outputsIn(code string) ([]wire.File, error) {
	list := []wire.File{}
	root, err := os.OpenRoot(code)
	if os.IsNotExist(err) {
		return list, nil
	}
	if err != nil {
		return nil, err
	}
	defer root.Close()
	for _, d := range outputDirs {
		_ = fs.WalkDir(root.FS(), d, func(name string, e fs.DirEntry, err error) error {
			if err != nil || !e.Type().IsRegular() {
				return nil // what cannot be read is not there
			}
			if fi, err := e.Info(); err == nil {
				list = append(list, wire.File{Path: escape(name), Mode: uint32(fi.Mode().Perm()), Size: fi.Size()})
			}
			return nil
		})
	}
	return list, nil
}

// output sends the bytes of one output.
func (s *server) output(c *call, ref wire.JobRef) error {
	dir, err := s.jobDir(ref.Job)
	if err != nil {
		return err
	}
	top, _, _ := strings.Cut(ref.Name, "/")
	if !slices.Contains(outputDirs[:], top) || !filepath.IsLocal(ref.Name) {
		return notFound("OutputUnknown", "there is no such output", strconv.Quote(ref.Name)+" lies outside of outputs and logs")
	}
	folder, name := placeOf(dir, ref.Name)
	root, err := os.OpenRoot(folder)
	if err != nil {
		return notFound("OutputUnknown", "there is no such output", "the machine has no files of the job")
	}
	defer root.Close()
	f, err := openRegular(root, name)
	if err != nil {
		return notFound("OutputUnknown", "there is no such output", "the job left no file "+strconv.Quote(ref.Name))
	}
	defer f.Close()
	return sendFile(c, f, ref.Offset)
}

// openRegular opens a file, under the name that outputs gave it. What is no file is not opened: a
// FIFO would keep us waiting, a link leads elsewhere.
func openRegular(root *os.Root, name string) (*os.File, error) {
	fi, err := root.Lstat(name)
	if raw := unescape(name); os.IsNotExist(err) && raw != name {
		name = raw
		fi, err = root.Lstat(name)
	}
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, fs.ErrInvalid
	}
	return root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}

// sendFile sends a file from an offset on. One that cannot be read any more ends in a fault.
func sendFile(c *call, f *os.File, offset int64) error {
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return diskFault("read the file", err)
	}
	if err := c.Send(wire.Empty{}); err != nil {
		return err
	}
	readErr, err := c.CopyBody(f)
	if readErr != nil {
		return diskFault("read the file", readErr)
	}
	return err
}

// escape makes a name that is not valid UTF-8 printable: each bad byte becomes \xHH.
func escape(name string) string {
	if utf8.ValidString(name) {
		return name
	}
	var b strings.Builder
	for len(name) > 0 {
		r, n := utf8.DecodeRuneInString(name)
		if r == utf8.RuneError && n == 1 {
			fmt.Fprintf(&b, `\x%02X`, name[0])
		} else {
			b.WriteString(name[:n])
		}
		name = name[n:]
	}
	return b.String()
}

// unescape undoes escape.
func unescape(name string) string {
	var b strings.Builder
	for len(name) > 0 {
		if len(name) >= 4 && name[:2] == `\x` {
			if n, err := strconv.ParseUint(name[2:4], 16, 8); err == nil && n >= 0x80 {
				b.WriteByte(byte(n))
				name = name[4:]
				continue
			}
		}
		b.WriteByte(name[0])
		name = name[1:]
	}
	return b.String()
}
