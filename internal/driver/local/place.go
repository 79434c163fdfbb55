package local

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// uidPrefix starts the name of the folder of a user that is not the server's.
const uidPrefix = "uid-"

// place is where the agent works, and as whom.
type place struct {
	id, user, dir string // the target's ID; its options
}

// bases returns the folders that may hold the agent's, the best first. What another user is to work
// in lies in a folder of its own below one of them.
func (p *place) bases() []string {
	list := []string{filepath.Join("/var/lib/zaffre", p.id), filepath.Join("/var/tmp", "zaffre-"+p.id)}
	if p.dir != "" {
		list = append([]string{p.dir}, list...)
	}
	return list
}

// root returns the agent's folder, made and owned by who works in it, and the folder above it for
// the agent's binary.
func (p *place) root(who identity) (root, base string, err error) {
	if !who.other {
		base, err := p.own()
		return base, base, err
	}
	var failed error
	for _, base := range p.bases() {
		dir, err := makeFor(base, who)
		if err == nil {
			return dir, base, nil
		}
		failed = errors.Join(failed, err)
	}
	return "", "", dirFault(failed)
}

// own returns the folder for the server's own user.
func (p *place) own() (string, error) {
	dir := p.dir
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			cache = os.TempDir()
		}
		dir = filepath.Join(cache, "zaffre", p.id)
	}
	dir, err := filepath.Abs(dir)
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return "", dirFault(err)
	}
	return dir, nil
}

// makeFor makes the folder of a user below base. It fails where the user cannot reach it, or where
// somebody else was there before us.
func makeFor(base string, who identity) (string, error) {
	base, err := filepath.Abs(base)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(base, 0o755); err != nil {
		return "", err
	}
	if err := ours(base, 0); err != nil {
		return "", err
	}
	if err := reachable(base, who); err != nil {
		return "", err
	}
	dir := filepath.Join(base, uidPrefix+strconv.Itoa(int(who.uid)))
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	if ours(dir, 0) == nil {
		if err := os.Lchown(dir, int(who.uid), int(who.gid)); err != nil {
			return "", err
		}
	}
	return dir, ours(dir, who.uid)
}

// ours reports why dir is not a folder that belongs to uid: a link, or one that another user put
// where anybody may write.
func ours(dir string, uid uint32) error {
	fi, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !fi.IsDir() || !ok || st.Uid != uid {
		return &fs.PathError{Op: "use", Path: dir, Err: errors.New("it belongs to somebody else")}
	}
	return nil
}

// reachable reports why a user cannot enter dir.
func reachable(dir string, who identity) error {
	for d := dir; ; d = filepath.Dir(d) {
		fi, err := os.Stat(d)
		if err != nil {
			return err
		}
		if !mayEnter(fi, who) {
			return &fs.PathError{Op: "enter", Path: d, Err: errors.New("the user that runs the code may not")}
		}
		if d == "/" {
			return nil
		}
	}
}

func mayEnter(fi fs.FileInfo, who identity) bool {
	st, ok := fi.Sys().(*syscall.Stat_t)
	switch {
	case !ok:
		return false
	case st.Uid == who.uid:
		return fi.Mode()&0o100 != 0
	case st.Gid == who.gid:
		return fi.Mode()&0o010 != 0
	}
	return fi.Mode()&0o001 != 0
}

func dirFault(err error) error {
	return &fault.Error{
		Code: fault.Precondition, Reason: "WorkDirectoryUnusable", What: "the server's machine cannot be used as a target",
		Why: "there is no folder that the user who runs the code can work in", Field: "workDirectory",
		Fix: "choose a folder below ones that everybody may enter with the option workDirectory", Evidence: []string{err.Error()}, Err: err,
	}
}
