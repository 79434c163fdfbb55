package local

import (
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Who runs the code where the server is root and nobody was named: the user, if there is one of
// that name, else a user ID that has no entry.
const (
	runUser = "zaffre-run"
	runUID  = 64646
)

// identity is who runs the code. The zero value is the server's own user.
type identity struct {
	other  bool
	name   string
	uid    uint32
	gid    uint32
	groups []uint32
}

func (i identity) text() string {
	switch {
	case !i.other:
		return "the same user as the server (" + strconv.Itoa(os.Geteuid()) + ")"
	case i.name == "":
		return strconv.Itoa(int(i.uid))
	}
	return i.name + " (" + strconv.Itoa(int(i.uid)) + ")"
}

// credential returns what a process of i is started with; nil: the server's own.
func (i identity) credential() *syscall.Credential {
	if !i.other {
		return nil
	}
	return &syscall.Credential{Uid: i.uid, Gid: i.gid, Groups: i.groups}
}

// who decides who runs the code.
func (p *place) who() (identity, error) {
	root := os.Geteuid() == 0
	switch {
	case p.user == "same", (p.user == "" || p.user == "auto") && !root:
		return identity{}, nil
	case p.user == "" || p.user == "auto":
		return p.auto(), nil
	}
	i, ok := lookUp(p.user)
	switch {
	case !ok:
		return i, userFault("UserUnknown", "the machine has no user "+strconv.Quote(p.user), "name a user that exists, or a user ID")
	case int(i.uid) == os.Geteuid():
		return identity{}, nil
	case !root:
		return i, userFault("UserSwitchDenied", "the server is not root, so it cannot run code as "+strconv.Quote(p.user),
			`choose the user "same", or run the server as root`)
	}
	return i, nil
}

// auto returns who ran code here before, so that what runs stays in sight when a user is made;
// else the user for it.
func (p *place) auto() identity {
	for _, base := range p.bases() {
		found, _ := filepath.Glob(filepath.Join(base, uidPrefix+"*"))
		for _, dir := range found {
			if i, ok := lookUp(strings.TrimPrefix(filepath.Base(dir), uidPrefix)); ok && i.uid != 0 {
				return i
			}
		}
	}
	if i, ok := lookUp(runUser); ok {
		return i
	}
	for uid := runUID; ; uid++ {
		if _, err := user.LookupId(strconv.Itoa(uid)); err != nil {
			return identity{other: true, uid: uint32(uid), gid: uint32(uid)}
		}
	}
}

// lookUp finds a user by name or ID. An ID without an entry is a user too.
func lookUp(s string) (identity, bool) {
	uid, err := strconv.ParseUint(s, 10, 31)
	numeric := err == nil
	u, err := user.Lookup(s)
	if err != nil && numeric {
		if u, err = user.LookupId(s); err != nil {
			return identity{other: true, uid: uint32(uid), gid: uint32(uid)}, true
		}
	}
	if err != nil {
		return identity{}, false
	}
	i := identity{other: true, name: u.Username, uid: number(u.Uid), gid: number(u.Gid)}
	groups, _ := u.GroupIds()
	for _, g := range groups {
		i.groups = append(i.groups, number(g))
	}
	return i, true
}

func number(s string) uint32 {
	n, _ := strconv.ParseUint(s, 10, 32)
	return uint32(n)
}

func userFault(reason, why, fix string) error {
	return &fault.Error{
		Code: fault.Precondition, Reason: reason, What: "the server's machine cannot be used as a target", Field: "user",
		Why: why, Fix: fix,
	}
}
