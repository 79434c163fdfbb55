package source

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

const leaveOut = "leave it out by a line in .amlignore"

var errIgnoreFileTooLarge = errors.New("an ignore file may have 1 MiB")

func noFolder(dir string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return unreadable(dir, err)
	}
	return &fault.Error{
		Code: fault.NotFound, Reason: "FolderNotFound", What: fmt.Sprintf("cannot read the folder %q", dir),
		Why: "there is no such folder", Fix: "check the path", Err: err,
	}
}

func notAFolder(dir string) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "NotAFolder", What: fmt.Sprintf("cannot read the folder %q", dir),
		Why: "it is a file", Fix: "name the folder that the file lies in",
	}
}

func unreadable(path string, err error) error {
	return &fault.Error{
		Code: fault.Denied, Reason: "FileUnreadable", What: fmt.Sprintf("cannot read %q", path),
		Why: "the system refuses", Fix: "make it readable, or " + leaveOut, Err: err,
	}
}

func changed(path, why string) error {
	return &fault.Error{
		Code: fault.Precondition, Reason: "FileChanged", What: fmt.Sprintf("the file %q changed while it was read", path),
		Why: why, Fix: "submit again when nothing writes to the folder, or " + leaveOut,
	}
}

func gone(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return changed(path, "it is not there any more")
	}
	return unreadable(path, err)
}

func linkLeaves(path, target, why string) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "LinkLeaves", What: fmt.Sprintf("the symbolic link %q cannot go with a run", path),
		Why: fmt.Sprintf("its target %q %s", target, why), Fix: "make it a relative link to something in the folder, or " + leaveOut,
	}
}

func notUTF8(path string) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "PathInvalid", What: fmt.Sprintf("the file %q cannot go with a run", path),
		Why: "its name is not valid UTF-8", Fix: "rename it, or " + leaveOut,
	}
}

func unsupportedType(path string, mode fs.FileMode) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "FileTypeUnsupported", What: fmt.Sprintf("%q cannot go with a run", path),
		Why: "it is a " + typeName(mode), Fix: leaveOut,
	}
}

func typeName(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeSocket != 0:
		return "socket"
	case mode&fs.ModeNamedPipe != 0:
		return "named pipe"
	case mode&fs.ModeDevice != 0:
		return "device"
	}
	return "special file"
}

func notInTree(path string) error {
	return &fault.Error{
		Code: fault.NotFound, Reason: "FileNotFound", What: fmt.Sprintf("cannot open %q", path),
		Why: "it is not one of the folder's files", Fix: "use a path of the list of files",
	}
}
