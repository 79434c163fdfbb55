package source

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"time"
)

// cacheMagic starts a cache file; a change of the format changes it.
const cacheMagic = "zaffre hashes 1\n"

// cacheAge is how long the cache of a folder that is no longer sent is kept.
const cacheAge = 60 * 24 * time.Hour

// hashCache remembers the hashes of one folder's files. The file is rewritten as a whole and ends
// in its own checksum, so one that is cut or damaged counts as none.
type hashCache struct {
	file    string // "": nothing is kept
	root    string
	entries map[string]known
}

type known struct {
	stamp stamp
	sum   [32]byte
}

func openCache(dir, root string) *hashCache {
	c := &hashCache{root: root}
	if dir == "" {
		return c
	}
	key := sha256.Sum256([]byte(root))
	c.file = filepath.Join(dir, hex.EncodeToString(key[:16]))
	text, err := os.ReadFile(c.file)
	if err == nil {
		c.entries = decodeCache(text, root)
	}
	return c
}

func (c *hashCache) find(e *entry) ([32]byte, bool) {
	k, ok := c.entries[e.Path]
	if !ok || k.stamp != e.stamp {
		return [32]byte{}, false
	}
	return k.sum, true
}

// save keeps the hashes whose stamps can be trusted, if they are others than those that were read.
// A failure costs the next walk time, and nothing else.
func (c *hashCache) save(entries []*entry) {
	if c.file == "" {
		return
	}
	keep := make([]*entry, 0, len(entries))
	same := true
	for _, e := range entries {
		_, found := c.find(e)
		if found || e.trusted {
			keep = append(keep, e)
			same = same && found
		}
	}
	if same && len(keep) == len(c.entries) {
		return
	}
	if err := c.write(encodeCache(c.root, keep)); err == nil {
		prune(filepath.Dir(c.file), time.Now().Add(-cacheAge))
	}
}

func (c *hashCache) write(text []byte) error {
	if err := os.MkdirAll(filepath.Dir(c.file), 0o700); err != nil {
		return err
	}
	temp := c.file + "." + rand.Text()
	err := os.WriteFile(temp, text, 0o600)
	if err == nil {
		err = os.Rename(temp, c.file)
	}
	if err != nil {
		_ = os.Remove(temp)
	}
	return err
}

// prune removes the files of dir that nobody wrote since.
func prune(dir string, since time.Time) {
	list, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range list {
		if info, err := e.Info(); err == nil && info.ModTime().Before(since) {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}

// numbers is what a stamp is made of, in the order of the file.
func (s stamp) numbers() [5]uint64 {
	return [5]uint64{uint64(s.size), uint64(s.mtime), uint64(s.ctime), s.device, s.inode}
}

func encodeCache(root string, entries []*entry) []byte {
	b := []byte(cacheMagic)
	text := func(s string) { b = append(binary.AppendUvarint(b, uint64(len(s))), s...) }
	text(root)
	b = binary.AppendUvarint(b, uint64(len(entries)))
	for _, e := range entries {
		text(e.Path)
		for _, n := range e.stamp.numbers() {
			b = binary.AppendUvarint(b, n)
		}
		b = append(b, e.sum[:]...)
	}
	check := sha256.Sum256(b)
	return append(b, check[:]...)
}

// decodeCache returns nil for what is not the whole cache of root.
func decodeCache(text []byte, root string) map[string]known {
	end := len(text) - sha256.Size
	if end < 0 || sha256.Sum256(text[:end]) != [32]byte(text[end:]) {
		return nil
	}
	r := &cacheReader{r: bytes.NewReader(text[:end])}
	if r.raw(len(cacheMagic)) != cacheMagic || r.text() != root {
		return nil
	}
	n := r.number()
	entries := make(map[string]known, min(n, uint64(len(text))/sha256.Size))
	for ; n > 0 && r.err == nil; n-- {
		path := r.text()
		k := known{stamp: stamp{size: int64(r.number()), mtime: int64(r.number()), ctime: int64(r.number()), device: r.number(), inode: r.number()}}
		copy(k.sum[:], r.raw(len(k.sum)))
		entries[path] = k
	}
	if r.err != nil {
		return nil
	}
	return entries
}

// cacheReader reads the parts of a cache and remembers the first error.
type cacheReader struct {
	r   *bytes.Reader
	err error
}

func (c *cacheReader) number() uint64 {
	n, err := binary.ReadUvarint(c.r)
	if c.err == nil {
		c.err = err
	}
	return n
}

func (c *cacheReader) text() string {
	n := c.number()
	if n > uint64(c.r.Len()) {
		c.err = io.ErrUnexpectedEOF
	}
	return c.raw(int(n))
}

func (c *cacheReader) raw(n int) string {
	if c.err != nil || n > c.r.Len() {
		c.err = io.ErrUnexpectedEOF
		return ""
	}
	p := make([]byte, n)
	_, c.err = io.ReadFull(c.r, p)
	return string(p)
}
