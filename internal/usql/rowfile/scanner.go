package rowfile

import (
	"bytes"
	"errors"
	"io"
	"unicode/utf8"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

const (
	firstBuffer = 256 << 10
	maxRow      = 8 << 20 // U-SQL allows 4 MiB
)

// scanner splits a file into rows and fields. It may hold a row in memory, and no more.
type scanner struct {
	src        io.Reader
	f          Format
	name       string
	row        int // of the file, from 1
	buf        []byte
	start, end int
	eof        bool
	fields     []Field
	scratch    []byte
	stop       [256]bool // bytes at which a field without quotes may end
	escape     int       // -1: none
}

func newScanner(src io.Reader, name string, f Format) *scanner {
	s := &scanner{src: decoded(src, f.Encoding), f: f, name: name, buf: make([]byte, firstBuffer), escape: -1}
	for _, d := range []string{f.Delimiter, f.RowDelimiter, f.Escape} {
		if d != "" {
			s.stop[d[0]] = true
		}
	}
	if f.RowDelimiter == "" {
		s.stop['\n'], s.stop['\r'] = true, true
	}
	if f.Escape != "" {
		s.escape = int(f.Escape[0])
	}
	return s
}

var errMore = errors.New("the row goes on behind what was read")

// next returns the fields of the next row, which hold until the call after it; io.EOF at the end. A row with
// a fault is consumed.
func (s *scanner) next() ([]Field, error) {
	for {
		data := s.buf[s.start:s.end]
		if len(data) == 0 && s.eof {
			return nil, io.EOF
		}
		n, err := s.split(data)
		if errors.Is(err, errMore) || n == 0 {
			if err := s.fill(); err != nil {
				return nil, err
			}
			continue
		}
		s.row++
		s.start += n
		if err == nil && !s.valid(data[:n]) {
			err = s.fault("FileEncodingWrong", "it has a character that "+string(s.f.Encoding)+" has not", "name the file's encoding: encoding: Encoding.Unicode, for one")
		}
		return s.fields, err
	}
}

func (s *scanner) valid(row []byte) bool {
	if s.f.Encoding == ASCII {
		return bytes.IndexFunc(row, func(r rune) bool { return r > 127 }) < 0
	}
	return utf8.Valid(row)
}

// fill reads more behind the row that is not whole.
func (s *scanner) fill() error {
	if s.start > 0 {
		s.end = copy(s.buf, s.buf[s.start:s.end])
		s.start = 0
	}
	if s.end == len(s.buf) {
		if len(s.buf) >= maxRow {
			return s.fault("RowTooLong", "the row is longer than 8 MiB", "name the right rowDelimiter, or quoting: false if quotes are no quotes there")
		}
		s.buf = append(s.buf, make([]byte, len(s.buf))...)
	}
	for range 100 {
		n, err := s.src.Read(s.buf[s.end:])
		s.end += n
		if errors.Is(err, io.EOF) {
			s.eof = true
			return nil
		}
		if err != nil {
			return s.unreadable(err)
		}
		if n > 0 {
			return nil
		}
	}
	return s.unreadable(io.ErrNoProgress)
}

// split reads one row and returns how many bytes it takes, its delimiter among them.
func (s *scanner) split(data []byte) (n int, err error) {
	s.fields, s.scratch = s.fields[:0], s.scratch[:0]
	if len(data) == 0 {
		return 0, errMore
	}
	for {
		size, err := s.field(data[n:])
		if err != nil {
			return s.over(data, n, err)
		}
		n += size
		if n == len(data) {
			if !s.eof {
				return 0, errMore
			}
			return n, nil
		}
		if bytes.HasPrefix(data[n:], []byte(s.f.Delimiter)) {
			n += len(s.f.Delimiter)
			continue
		}
		if size := s.rowEnd(data[n:]); size > 0 {
			return n + size, nil
		}
		return 0, errMore
	}
}

// over returns where the row with a fault ends.
func (s *scanner) over(data []byte, n int, err error) (int, error) {
	if errors.Is(err, errMore) {
		return 0, err
	}
	for ; n < len(data); n++ {
		if size := s.rowEnd(data[n:]); size > 0 {
			return n + size, err
		}
	}
	if !s.eof {
		return 0, errMore
	}
	return n, err
}

// rowEnd returns the length of the row delimiter that data begins with, 0 where there is none or it may
// go on behind data.
func (s *scanner) rowEnd(data []byte) int {
	if d := s.f.RowDelimiter; d != "" {
		if bytes.HasPrefix(data, []byte(d)) {
			return len(d)
		}
		return 0
	}
	switch {
	case data[0] == '\n':
		return 1
	case data[0] != '\r':
		return 0
	case len(data) > 1 && data[1] == '\n':
		return 2
	case len(data) == 1 && !s.eof:
		return 0
	}
	return 1
}

func (s *scanner) fault(reason, why, fix string) error {
	return &fault.Error{Code: fault.Invalid, Reason: reason, What: s.place(), Why: why, Fix: fix, Field: s.name}
}

func (s *scanner) unreadable(err error) error {
	return &fault.Error{
		Code: fault.Unavailable, Reason: "FileUnreadable", What: "cannot read " + s.name, Why: "reading it failed",
		Fix: "look at the disk, and run the script again", Field: s.name, Err: err,
	}
}
