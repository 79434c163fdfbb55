//go:build !linux

package client

import "io/fs"

func stampOf(info fs.FileInfo) hashed {
	return hashed{Size: info.Size(), Written: info.ModTime().UnixNano()}
}
