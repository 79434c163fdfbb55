package agent

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strconv"
)

const (
	segmentSize = 4 << 20  // after which the next file of a spool begins
	spoolHead   = 8 + 8    // hex: length and checksum of the JSON that follows
	maxRecord   = 64 << 20 // a length beyond is no length
)

// spooled is one write that waits. It holds no token: who sends it has one.
type spooled struct {
	Lane     string `json:"lane,omitzero"` // "" until it is kept: then it gets its place among all that are
	Sequence int64  `json:"sequence,omitzero"`
	Method   string `json:"method"`
	URI      string `json:"uri"`
	Type     string `json:"type,omitzero"`     // of the content
	Encoding string `json:"encoding,omitzero"` // of the content
	Body     []byte `json:"body,omitzero"`
}

// segment is one file.
type segment struct {
	*os.File
	size int64
}

// record reads the write at an offset, and its length; nil where there is no whole one.
func (g *segment) record(at int64) (rec *spooled, length int64, err error) {
	head := make([]byte, spoolHead)
	if n, _ := g.ReadAt(head, at); n < len(head) {
		return nil, 0, nil
	}
	var size, sum uint64
	if size, err = strconv.ParseUint(string(head[:8]), 16, 32); err != nil || size > maxRecord {
		return nil, 0, nil //nolint:nilerr // it is torn
	}
	if sum, err = strconv.ParseUint(string(head[8:]), 16, 32); err != nil {
		return nil, 0, nil //nolint:nilerr // it is torn
	}
	text := make([]byte, size)
	if n, _ := g.ReadAt(text, at+spoolHead); n < len(text) || crc32.ChecksumIEEE(text) != uint32(sum) {
		return nil, 0, nil
	}
	rec = &spooled{}
	return rec, spoolHead + int64(size), json.Unmarshal(text, rec)
}

func encodeSpooled(rec *spooled) ([]byte, error) {
	text, err := json.Marshal(rec)
	return append(fmt.Appendf(nil, "%08x%08x", len(text), crc32.ChecksumIEEE(text)), text...), err
}

// last returns the file to append to.
func (s *spool) last() (*segment, error) {
	if n := len(s.segments); n > 0 && s.segments[n-1].size < min(segmentSize, s.limit/8+1) {
		return s.segments[n-1], nil
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(s.dir, fmt.Sprintf("%016d", s.number+1)), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	s.number++
	g := &segment{File: f}
	s.segments = append(s.segments, g)
	return g, syncDir(s.dir)
}

// syncDir makes the name of a new file last.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
