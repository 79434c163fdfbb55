package rowfile

import (
	"bytes"
	"fmt"
)

// place says where the scanner is.
func (s *scanner) place() string { return fmt.Sprintf("cannot read row %d of %s", s.row+1, s.name) }

// field reads the field that data begins with, and returns how many bytes it takes without the delimiter.
func (s *scanner) field(data []byte) (int, error) {
	if s.f.Quoting && len(data) > 0 && data[0] == '"' {
		return s.quoted(data)
	}
	n := 0
	for from := 0; ; n++ {
		for n < len(data) && !s.stop[data[n]] {
			n++
		}
		if n == len(data) {
			if !s.eof {
				return 0, errMore
			}
			s.add(data, from, n, false)
			return n, nil
		}
		switch {
		case int(data[n]) == s.escape && bytes.HasPrefix(data[n:], []byte(s.f.Escape)):
			return s.escaped(data, n)
		case bytes.HasPrefix(data[n:], []byte(s.f.Delimiter)), s.rowEnd(data[n:]) > 0:
			s.add(data, from, n, false)
			return n, nil
		case !s.eof && n+len(s.f.RowDelimiter) >= len(data):
			return 0, errMore
		}
	}
}

// escaped goes on with a field without quotes that has an escape at n.
func (s *scanner) escaped(data []byte, n int) (int, error) {
	from := len(s.scratch)
	s.scratch = append(s.scratch, data[:n]...)
	for n < len(data) {
		switch {
		case bytes.HasPrefix(data[n:], []byte(s.f.Escape)):
			if n += len(s.f.Escape); n < len(data) {
				s.scratch = append(s.scratch, data[n])
				n++
			}
		case bytes.HasPrefix(data[n:], []byte(s.f.Delimiter)), s.rowEnd(data[n:]) > 0:
			s.add(s.scratch, from, len(s.scratch), false)
			return n, nil
		case !s.eof && n+len(s.f.RowDelimiter) >= len(data):
			return 0, errMore
		default:
			s.scratch = append(s.scratch, data[n])
			n++
		}
	}
	if !s.eof {
		return 0, errMore
	}
	s.add(s.scratch, from, len(s.scratch), false)
	return n, nil
}

// quoted reads a field in quotes, in which a quote is written twice.
func (s *scanner) quoted(data []byte) (int, error) {
	n, copied, from := 1, false, len(s.scratch)
	for begin := 1; ; {
		if n >= len(data) {
			if s.eof {
				return 0, s.fault("QuoteNotClosed", s.column()+" begins with a quote that is not closed", "close it, or name quoting: false")
			}
			return 0, errMore
		}
		switch {
		case int(data[n]) == s.escape && bytes.HasPrefix(data[n:], []byte(s.f.Escape)) && s.f.Escape != `"`:
			s.scratch, copied = append(s.scratch, data[begin:n]...), true
			begin = n + len(s.f.Escape)
			n = begin + 1
		case data[n] != '"':
			n++
		case n+1 == len(data) && !s.eof:
			return 0, errMore
		case n+1 < len(data) && data[n+1] == '"':
			s.scratch, copied = append(s.scratch, data[begin:n+1]...), true
			n += 2
			begin = n
		default:
			return s.closed(data, begin, n, copied, from)
		}
	}
}

// closed ends a field in quotes whose last quote stands at n.
func (s *scanner) closed(data []byte, begin, n int, copied bool, from int) (int, error) {
	after := data[n+1:]
	if len(after) > 0 && !bytes.HasPrefix(after, []byte(s.f.Delimiter)) && s.rowEnd(after) == 0 {
		if !s.eof && len(after) <= len(s.f.RowDelimiter)+1 {
			return 0, errMore
		}
		return 0, s.fault("QuoteNotAtEnd", s.column()+" has text behind its closing quote", "write quotes within a field twice, or name quoting: false")
	}
	if !copied {
		s.add(data, begin, n, true)
		return n + 1, nil
	}
	s.scratch = append(s.scratch, data[begin:n]...)
	s.add(s.scratch, from, len(s.scratch), true)
	return n + 1, nil
}

func (s *scanner) column() string { return fmt.Sprintf("column %d", len(s.fields)+1) }

func (s *scanner) add(data []byte, from, to int, quoted bool) {
	f := Field{Text: data[from:to:to], Quoted: quoted}
	f.Null = s.f.Null != nil && !quoted && string(f.Text) == *s.f.Null
	s.fields = append(s.fields, f)
}
