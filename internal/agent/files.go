package agent

import (
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// dialLimit bounds how long a connection may take to come about.
const dialLimit = 30 * time.Second

// open sends a file of the machine.
func (s *server) open(c *call, p wire.Path) error {
	f, err := os.OpenFile(p.Path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return fileFault("read", p.Path, err)
	}
	defer f.Close()
	return sendFile(c, f, p.Offset)
}

// write makes a file appear whole, with its folders.
func (s *server) write(c *call, p wire.Path) error {
	dir := filepath.Dir(p.Path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fileFault("write", p.Path, err)
	}
	f, err := os.CreateTemp(dir, ".zaffre-")
	if err != nil {
		return fileFault("write", p.Path, err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := io.Copy(f, c); err != nil {
		return fileFault("write", p.Path, err)
	}
	if err := f.Chmod(fs.FileMode(p.Mode).Perm()); err != nil {
		return fileFault("write", p.Path, err)
	}
	if err := f.Close(); err != nil {
		return fileFault("write", p.Path, err)
	}
	if err := os.Rename(f.Name(), p.Path); err != nil {
		return fileFault("write", p.Path, err)
	}
	return c.Send(wire.Empty{})
}

func (s *server) readDir(p wire.Path) ([]wire.FileInfo, error) {
	entries, err := os.ReadDir(p.Path)
	if err != nil {
		return nil, fileFault("list", p.Path, err)
	}
	list := []wire.FileInfo{}
	for _, e := range entries {
		if fi, err := e.Info(); err == nil {
			list = append(list, wire.FileInfo{Name: e.Name(), Size: fi.Size(), Mode: uint32(fi.Mode()), ModTime: fi.ModTime()})
		}
	}
	return list, nil
}

func (s *server) remove(p wire.Path) (out wire.Empty, err error) {
	if !filepath.IsAbs(p.Path) || filepath.Clean(p.Path) == "/" {
		return out, invalid(strconv.Quote(p.Path) + " is not to be removed")
	}
	if err := os.RemoveAll(p.Path); err != nil {
		return out, fileFault("remove", p.Path, err)
	}
	return out, nil
}

// dial connects the stream with something that the machine reaches.
func (s *server) dial(c *call, d wire.Dial) error {
	conn, err := net.DialTimeout(d.Network, d.Addr, dialLimit)
	if err != nil {
		return &fault.Error{
			Code: fault.Unavailable, Reason: "DialFailed", What: "cannot connect to " + d.Addr + " from the machine",
			Why: err.Error(), Fix: "check that something listens there",
		}
	}
	defer conn.Close()
	if err := c.Send(wire.Empty{}); err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(conn, c)
		if half, ok := conn.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
	}()
	_, err = c.CopyBody(conn)
	return err
}

func fileFault(verb, name string, err error) error {
	e := &fault.Error{
		Code: fault.Unavailable, Reason: "FileFailed", What: "cannot " + verb + " " + strconv.Quote(name) + " on the machine",
		Why: err.Error(), Fix: "check the file and the disk it lies on",
	}
	switch {
	case os.IsNotExist(err):
		e.Code, e.Reason, e.Fix = fault.NotFound, "FileUnknown", "check the path"
	case os.IsPermission(err):
		e.Code, e.Reason, e.Fix = fault.Denied, "FileDenied", "let the user that runs the code have it"
	}
	return e
}
