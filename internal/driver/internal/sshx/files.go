package sshx

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// FS implements driver.Host, with commands that every Linux has: neither sftp nor scp.
func (c *Conn) FS() driver.FS { return files{c} }

type files struct{ c *Conn }

// The scripts say by their exit status what is wrong with a path.
const (
	exitNotFound = 44
	exitDenied   = 45
	exitKind     = 46 // a folder where a file is needed, or the reverse
)

const openScript = `
[ -e "$1" ] || exit 44
[ -d "$1" ] && exit 46
[ -r "$1" ] || exit 45
printf + || exit
if [ "$2" = 0 ]; then exec cat <"$1"; fi
exec tail -c "+$(($2 + 1))" <"$1"
`

// OpenFile implements driver.FS. The stream ends with ctx.
func (f files) OpenFile(ctx context.Context, name string, offset int64) (io.ReadCloser, error) {
	if err := checkPath("read", name); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	r, w := io.Pipe()
	go func() {
		var said strings.Builder
		exit, err := f.c.Script(ctx, openScript, []string{name, strconv.FormatInt(offset, 10)}, driver.Stdio{Out: w, Err: &limited{to: &said}})
		if err == nil && exit != 0 {
			err = fileFault("read", name, exit, said.String())
		}
		w.CloseWithError(err) // nil: io.EOF
	}()
	first := make([]byte, 1)
	if _, err := io.ReadFull(r, first); err != nil {
		cancel()
		r.Close()
		if !isFault(err) {
			err = lostFault()
		}
		return nil, err
	}
	return &opened{r, cancel}, nil
}

// opened is a file that is being read.
type opened struct {
	*io.PipeReader
	cancel context.CancelFunc
}

// Close implements io.Closer.
func (o *opened) Close() error {
	o.cancel()
	return o.PipeReader.Close()
}

// The file is written beside its place, and put there only when all of it has arrived: a connection
// that breaks looks like the end of the stream to the script.
const (
	writeScript = `
umask 077
mkdir -p -m 755 -- "$1" || exit 47
trap 'rm -f -- "$2"' EXIT
trap 'exit 48' HUP INT TERM
cat >"$2" || exit 47
wc -c <"$2" || exit 47
trap - EXIT
`
	placeScript = `
[ -d "$3" ] && [ ! -L "$3" ] && { rm -f -- "$2"; exit 46; }
[ "$(wc -c <"$2")" -eq "$4" ] && chmod "$1" "$2" && mv -f -- "$2" "$3" || { rm -f -- "$2"; exit 47; }
`
)

// WriteFile implements driver.FS.
func (f files) WriteFile(ctx context.Context, name string, mode fs.FileMode, r io.Reader) error {
	if err := checkPath("write", name); err != nil {
		return err
	}
	dir, base := path.Split(path.Clean(name))
	part := dir + "." + shortened(base) + "." + rand.Text()
	in := &counted{r: r}
	exit, out, said, err := f.c.output(ctx, writeScript, []string{dir, part}, in)
	size, numErr := strconv.ParseInt(strings.TrimSpace(out), 10, 64)
	switch {
	case in.failed != nil:
		_, _, _, _ = f.c.output(context.WithoutCancel(ctx), `rm -f -- "$1"`, []string{part}, nil)
		return in.failed
	case err != nil:
		return err
	case exit != 0 || numErr != nil || size != in.n:
		return fileFault("write", name, exit, said)
	}
	args := []string{fmt.Sprintf("%o", mode.Perm()), part, path.Clean(name), strconv.FormatInt(in.n, 10)}
	exit, _, said, err = f.c.output(ctx, placeScript, args, nil)
	if err == nil && exit != 0 {
		err = fileFault("write", name, exit, said)
	}
	return err
}

// shortened leaves room for what is added to a name: it may have 255 bytes.
func shortened(base string) string { return base[:min(len(base), 200)] }

// counted counts what is read.
type counted struct {
	r      io.Reader
	n      int64
	failed error // of r
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	if err != nil && err != io.EOF {
		c.failed = err
	}
	return n, err
}

// Names hold no "/", so that "/" begins each record whatever else they hold.
const listScript = `
[ -e "$1" ] || exit 44
[ -d "$1" ] || exit 46
cd -- "$1" 2>/dev/null && ls >/dev/null 2>&1 || exit 45
for f in * .[!.]* ..?*; do
  if [ -e "$f" ] || [ -L "$f" ]; then printf '%s\0' "$f"; fi
done | xargs -0 -r stat -c '/%f %s %Y %n' --
`

// ReadDir implements driver.FS.
func (f files) ReadDir(ctx context.Context, name string) ([]fs.FileInfo, error) {
	if err := checkPath("list", name); err != nil {
		return nil, err
	}
	exit, out, said, err := f.c.output(ctx, listScript, []string{name}, nil)
	switch {
	case err != nil:
		return nil, err
	case exit >= exitNotFound && exit <= exitKind:
		return nil, fileFault("list", name, exit, said)
	}
	return parseList(out), nil // what went away meanwhile is no error
}

// parseList reads what listScript prints.
func parseList(out string) []fs.FileInfo {
	list := []fs.FileInfo{}
	for record := range strings.SplitSeq(out, "/") {
		words := strings.SplitN(strings.TrimSuffix(record, "\n"), " ", 4)
		if len(words) != 4 {
			continue
		}
		mode, err1 := strconv.ParseUint(words[0], 16, 32)
		size, err2 := strconv.ParseInt(words[1], 10, 64)
		at, err3 := strconv.ParseInt(words[2], 10, 64)
		if err1 == nil && err2 == nil && err3 == nil {
			list = append(list, entry{name: words[3], mode: modeOf(uint32(mode)), size: size, at: time.Unix(at, 0)})
		}
	}
	return list
}

// modeOf reads a mode as stat(2) has it.
func modeOf(m uint32) fs.FileMode {
	mode := fs.FileMode(m & 0o777)
	switch m & syscall.S_IFMT {
	case syscall.S_IFDIR:
		mode |= fs.ModeDir
	case syscall.S_IFLNK:
		mode |= fs.ModeSymlink
	case syscall.S_IFIFO:
		mode |= fs.ModeNamedPipe
	case syscall.S_IFSOCK:
		mode |= fs.ModeSocket
	case syscall.S_IFBLK:
		mode |= fs.ModeDevice
	case syscall.S_IFCHR:
		mode |= fs.ModeDevice | fs.ModeCharDevice
	}
	for bit, with := range map[uint32]fs.FileMode{syscall.S_ISUID: fs.ModeSetuid, syscall.S_ISGID: fs.ModeSetgid, syscall.S_ISVTX: fs.ModeSticky} {
		if m&bit != 0 {
			mode |= with
		}
	}
	return mode
}

// entry is one entry of a folder.
type entry struct {
	name string
	mode fs.FileMode
	size int64
	at   time.Time
}

func (e entry) Name() string       { return e.name }
func (e entry) Size() int64        { return e.size }
func (e entry) Mode() fs.FileMode  { return e.mode }
func (e entry) ModTime() time.Time { return e.at }
func (e entry) IsDir() bool        { return e.mode.IsDir() }
func (e entry) Sys() any           { return nil }

// RemoveAll implements driver.FS.
func (f files) RemoveAll(ctx context.Context, name string) error {
	if err := checkPath("remove", name); err != nil {
		return err
	}
	exit, _, said, err := f.c.output(ctx, `rm -rf -- "$1"`, []string{path.Clean(name)}, nil)
	if err == nil && exit != 0 {
		err = fileFault("remove", name, exit, said)
	}
	return err
}

// checkPath refuses what is no absolute path to something that may be touched.
func checkPath(verb, name string) error {
	why := ""
	switch {
	case !path.IsAbs(name):
		why = "it is not absolute"
	case strings.ContainsRune(name, 0):
		why = "it has a zero byte"
	case path.Clean(name) == "/" && verb != "list":
		why = "it is the root of all files"
	default:
		return nil
	}
	return &fault.Error{
		Code: fault.Invalid, Reason: "PathInvalid", What: fmt.Sprintf("cannot %s %q on the machine", verb, name),
		Why: why, Fix: "give an absolute path",
	}
}

// fileFault reads what a script said of a path.
func fileFault(verb, name string, exit int, said string) error {
	f := pathFault(fault.Unavailable, "FileFailed", verb, name, "the command for it failed there", "check the disk of the machine, and whether the user may write there")
	switch {
	case exit == exitNotFound:
		f = pathFault(fault.NotFound, "FileNotFound", verb, name, "it is not there", "check the path")
	case exit == exitDenied, strings.Contains(said, "Permission denied"):
		f = pathFault(fault.Denied, "FileDenied", verb, name, "the user may not do that", "choose another path, or give the user the right to it")
	case exit == exitKind:
		f = pathFault(fault.Precondition, "FileKindWrong", verb, name, "it is a folder where a file is needed, or the reverse", "choose another path")
	case strings.Contains(said, "No space left"), strings.Contains(said, "quota exceeded"):
		f = pathFault(fault.Exhausted, "DiskFull", verb, name, "no space is left there", "free space on the machine")
	case strings.Contains(said, "Read-only file system"):
		f = pathFault(fault.Precondition, "FileSystemReadOnly", verb, name, "its file system is mounted read-only", "choose another path, or mount it read-write")
	}
	if said != "" {
		f.Evidence = []string{quoted(said)}
	}
	return f
}

func pathFault(code fault.Code, reason, verb, name, why, fix string) *fault.Error {
	return &fault.Error{Code: code, Reason: reason, What: fmt.Sprintf("cannot %s %q on the machine", verb, name), Why: why, Fix: fix}
}

// limited keeps the beginning of what is written.
type limited struct{ to *strings.Builder }

func (l *limited) Write(p []byte) (int, error) {
	if room := maxNoise - l.to.Len(); room > 0 {
		l.to.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}
