package rowfile

import (
	"bytes"
	"errors"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

// decoded returns a reader of the file's text in UTF-8, without a byte order mark. What is no character in
// its encoding comes as a byte that is none in UTF-8.
func decoded(src io.Reader, e Encoding) io.Reader {
	switch e {
	case UTF16, UTF16BE:
		return &wide{src: src, big: e == UTF16BE, start: true}
	case ASCII:
		return src
	}
	return &unmarked{src: src, start: true}
}

// unmarked leaves out a byte order mark of UTF-8.
type unmarked struct {
	src   io.Reader
	start bool
}

func (u *unmarked) Read(b []byte) (int, error) {
	if !u.start {
		return u.src.Read(b)
	}
	u.start = false
	head := make([]byte, 3)
	n, err := io.ReadFull(u.src, head)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	u.src = io.MultiReader(bytes.NewReader(bytes.TrimPrefix(head[:n], []byte("\ufeff"))), u.src)
	if err != nil {
		return 0, err
	}
	return u.src.Read(b)
}

// wide turns UTF-16 into UTF-8.
type wide struct {
	src   io.Reader
	big   bool
	start bool
	raw   [32 << 10]byte
	n     int // bytes of raw that wait for more
	out   []byte
	err   error
}

func (w *wide) Read(b []byte) (int, error) {
	for len(w.out) == 0 {
		if w.err != nil {
			return 0, w.err
		}
		w.fill()
	}
	n := copy(b, w.out)
	w.out = w.out[n:]
	return n, nil
}

func (w *wide) unit(i int) rune {
	a, b := rune(w.raw[i]), rune(w.raw[i+1])
	if w.big {
		a, b = b, a
	}
	return a | b<<8
}

// fill decodes what one read gives, but for half a character at its end.
func (w *wide) fill() {
	n, err := w.src.Read(w.raw[w.n:])
	w.n, w.err, w.out = w.n+n, err, w.out[:0]
	i := 0
	for ; i+1 < w.n; i += 2 {
		r := w.unit(i)
		switch {
		case w.start && r == 0xFEFF:
		case !utf16.IsSurrogate(r):
			w.out = utf8.AppendRune(w.out, r)
		case i+3 < w.n && utf16.DecodeRune(r, w.unit(i+2)) != utf8.RuneError:
			w.out = utf8.AppendRune(w.out, utf16.DecodeRune(r, w.unit(i+2)))
			i += 2
		case i+3 >= w.n && w.err == nil:
			w.n = copy(w.raw[:], w.raw[i:w.n])
			return
		default:
			w.out = append(w.out, 0xFF)
		}
		w.start = false
	}
	w.n = copy(w.raw[:], w.raw[i:w.n])
	if w.err != nil && w.n > 0 {
		w.out, w.n = append(w.out, 0xFF), 0
	}
}

// encoder writes text that is UTF-8 in an encoding. It must be given whole characters.
type encoder struct {
	dst io.Writer
	e   Encoding
	buf []byte
}

func (e *encoder) Write(b []byte) (int, error) {
	if e.e == UTF8 {
		return e.dst.Write(b)
	}
	e.buf = e.buf[:0]
	for rest := b; len(rest) > 0; {
		r, n := utf8.DecodeRune(rest)
		rest = rest[n:]
		e.rune(r)
	}
	_, err := e.dst.Write(e.buf)
	return len(b), err
}

func (e *encoder) rune(r rune) {
	if e.e == ASCII {
		if r > 127 {
			r = '?' // as .NET does
		}
		e.buf = append(e.buf, byte(r))
		return
	}
	for _, u := range utf16.AppendRune(nil, r) {
		if e.e == UTF16BE {
			e.buf = append(e.buf, byte(u>>8), byte(u))
		} else {
			e.buf = append(e.buf, byte(u), byte(u>>8))
		}
	}
}
