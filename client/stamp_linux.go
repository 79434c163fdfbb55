package client

import (
	"io/fs"
	"syscall"
)

func stampOf(info fs.FileInfo) hashed {
	s := hashed{Size: info.Size(), Written: info.ModTime().UnixNano()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		s.Changed, s.Inode = st.Ctim.Nano(), st.Ino
	}
	return s
}
