package blob

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// maxElement is the longest name of a file that ext4, XFS, Btrfs, ZFS and APFS take, in bytes.
const maxElement = 255

// maxName is the longest name of a blob in bytes: PATH_MAX of Linux, which tools that look at the
// folder from outside are bound by.
const maxName = 3072

func checkName(name string) error {
	switch {
	case len(name) > maxName:
		return invalidName(name[:64]+"…", fmt.Sprintf("it is longer than %d bytes", maxName))
	case !fs.ValidPath(name) || name == ".":
		return invalidName(name, "it is not a clean relative path of valid UTF-8")
	case strings.ContainsRune(name, 0):
		return invalidName(name, "it holds a NUL")
	}
	for e := range strings.SplitSeq(name, "/") {
		if len(e) > maxElement {
			return invalidName(e[:64]+"…", fmt.Sprintf("a part of it is longer than %d bytes", maxElement))
		}
	}
	return nil
}

func checkOffset(name string, offset int64) error {
	if offset >= 0 {
		return nil
	}
	return &fault.Error{
		Code: fault.Invalid, Reason: "OffsetInvalid", What: fmt.Sprintf("cannot read or write the blob %q", name),
		Why: fmt.Sprintf("the offset %d is negative", offset), Fix: "start at an offset of 0 or more",
	}
}

func invalidName(name, why string) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "BlobNameInvalid", What: fmt.Sprintf("the blob name %q cannot be used", name),
		Why: why, Fix: `use a path such as "runs/1/log", without "." and ".."`,
	}
}

// writeFault tells an error of the file system, met while writing, in our terms; nil stays nil.
func writeFault(doing, name string, err error) error {
	what := fmt.Sprintf("cannot %s %q", doing, name)
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return &fault.Error{
			Code: fault.Exhausted, Reason: "DiskFull", What: what, Why: "the disk of the server's data folder is full",
			Fix: "free some space there; run: zaffre config show", Err: err,
		}
	case errors.Is(err, syscall.EISDIR), errors.Is(err, syscall.ENOTDIR), errors.Is(err, fs.ErrExist):
		return &fault.Error{
			Code: fault.Exists, Reason: "BlobNameTaken", What: what,
			Why: "one of this name and another blob's would have to be the folder of the other", Fix: "choose another name", Err: err,
		}
	}
	return ioFault(what, err)
}

// readFault is writeFault for reading.
func readFault(doing, name string, err error) error {
	what := fmt.Sprintf("cannot %s %q", doing, name)
	if isAbsent(err) {
		return &fault.Error{
			Code: fault.NotFound, Reason: "BlobNotFound", What: what, Why: "there is no such blob",
			Fix: "check the name, and whether it was deleted", Err: err,
		}
	}
	return ioFault(what, err)
}

func ioFault(what string, err error) error {
	if err == nil {
		return nil
	}
	return &fault.Error{
		Code: fault.Unavailable, Reason: "BlobUnavailable", What: what, Why: "the file system of the data folder failed",
		Fix: "look at that disk and at the folder's owner and permissions, then try again", Err: err,
	}
}

// isAbsent reports whether err says that there is no such blob; a name that runs through another
// blob's is absent too.
func isAbsent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}
