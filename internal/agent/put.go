package agent

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// partsDir is where files lie that are on their way to the cache, each named by its hash and something of its own, and
// locked. What a stream left that broke off is where the next one begins. It is copied: whoever writes it may not know yet
// that it broke, or may be another run that sends the same file.
const partsDir = "parts"

// put takes files, each announced by its hash, until the end.
func (s *server) put(c *call) error {
	if err := c.Recv(&wire.Empty{}); err != nil {
		return err
	}
	for {
		var p wire.PutFile
		more, err := c.RecvMore(&p)
		if err != nil {
			return err
		}
		if !more {
			return c.Send(wire.Empty{})
		}
		c.NextBody()
		if err := s.putFile(p, c); err != nil {
			return err
		}
	}
}

// putFile puts one file into the cache, if it has the hash that was said.
func (s *server) putFile(p wire.PutFile, r io.Reader) error {
	if !validHash(p.Hash) {
		return invalid(strconv.Quote(p.Hash) + " is no hash")
	}
	f, err := s.newPart(p.Hash)
	if err != nil {
		return err
	}
	stays, err := s.receive(f, p, r)
	f.Close()
	if !stays {
		_ = os.Remove(f.Name()) // it has another name where it is whole
	}
	return err
}

// newPart makes a file that is to be put.
func (s *server) newPart(hash string) (*os.File, error) {
	parts := filepath.Join(s.root, filesDir, partsDir)
	if err := cmp.Or(os.MkdirAll(filepath.Dir(s.cached(hash)), 0o700), os.MkdirAll(parts, 0o700)); err != nil {
		return nil, diskFault("keep a file", err)
	}
	f, err := os.CreateTemp(parts, hash+"-")
	if err != nil {
		return nil, diskFault("keep a file", err)
	}
	_ = lock(f) // where there are no locks, parts stay until the file is whole
	return f, nil
}

// receive writes a file, and gives it its name when it is whole. stays: another stream may go on with it.
func (s *server) receive(f *os.File, p wire.PutFile, r io.Reader) (stays bool, err error) {
	sum := sha256.New()
	to := io.MultiWriter(f, sum)
	if err := s.takePart(to, p); err != nil {
		if s.has(p.Hash) { // another has put it meanwhile
			_, err = io.Copy(io.Discard, r)
		}
		return false, err
	}
	if n, err := io.Copy(to, r); err != nil {
		err = diskFault("keep a file", err)
		return p.Offset+n > 0 && fault.CodeOf(err) != fault.Exhausted && s.parts()[p.Hash].name == f.Name(), err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != p.Hash {
		return false, s.mismatch(p, got)
	}
	return false, s.finish(f, p.Hash)
}

// finish gives a whole file its name, and takes its parts away.
func (s *server) finish(f *os.File, hash string) error {
	err := f.Close()
	if err == nil {
		err = os.Rename(f.Name(), s.cached(hash))
	}
	if err != nil && !s.has(hash) { // another may have put it, and dropped all parts
		return diskFault("keep a file", err)
	}
	s.dropParts(hash, anyPart)
	return nil
}

// takePart begins a file with what has come of it before, and takes away what nobody adds to.
func (s *server) takePart(to io.Writer, p wire.PutFile) error {
	if p.Offset == 0 {
		return nil
	}
	part := s.parts()[p.Hash]
	if part.size < p.Offset {
		return interrupted("what had come of it before is gone", nil)
	}
	in, err := os.Open(part.name)
	if err == nil {
		defer in.Close()
		_, err = io.CopyN(to, in, p.Offset)
	}
	s.dropParts(p.Hash, left)
	if err != nil {
		return interrupted("what had come of it before cannot be copied", err)
	}
	return nil
}

// anyPart of a file goes when it is there, or when one of them is damaged.
func anyPart(string) bool { return true }

// left reports whether nobody writes a part any more.
func left(name string) bool {
	f, err := os.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	return lock(f) == nil
}

// lock takes a file's lock, which goes with the process, without waiting for it.
func lock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }

// dropParts takes those parts of a file away that should go.
func (s *server) dropParts(hash string, goes func(name string) bool) {
	for _, name := range s.folders(filepath.Join(filesDir, partsDir)) {
		if strings.HasPrefix(filepath.Base(name), hash) && goes(name) {
			_ = os.Remove(name)
		}
	}
}

// part is the beginning of a file.
type part struct {
	name string
	size int64
}

// parts returns the longest part of each file that is on its way, by its hash.
func (s *server) parts() map[string]part {
	list := map[string]part{}
	for _, name := range s.folders(filepath.Join(filesDir, partsDir)) {
		hash, _, _ := strings.Cut(filepath.Base(name), "-")
		if info, err := os.Stat(name); err == nil && info.Size() > list[hash].size {
			list[hash] = part{name, info.Size()}
		}
	}
	return list
}

// mismatch refuses what is not the file that was said.
func (s *server) mismatch(p wire.PutFile, got string) error {
	if p.Offset > 0 {
		s.dropParts(p.Hash, anyPart)
		return interrupted("what had come of it before is damaged", nil)
	}
	return &fault.Error{
		Code: fault.Invalid, Reason: "HashMismatch", What: "a file of the code did not arrive",
		Why: "its bytes hash to " + got + " instead of " + p.Hash, Fix: "submit the run again; if it happens again, check the server's disk",
	}
}

func interrupted(why string, err error) error {
	return &fault.Error{
		Code: fault.Unavailable, Reason: "FileInterrupted", What: "a file of the code cannot go on where it broke off", Why: why,
		Fix: "nothing: it is sent again", Err: err,
	}
}
