//go:build linux || darwin

package source

import (
	"io/fs"
	"syscall"
)

func stampOf(info fs.FileInfo) stamp {
	s := stamp{size: info.Size(), mtime: info.ModTime().UnixNano()}
	if t, ok := info.Sys().(*syscall.Stat_t); ok {
		s.ctime, s.device, s.inode = ctimeOf(t), uint64(t.Dev), t.Ino
	}
	return s
}
