package httpx

import (
	"bytes"
	"time"
	"unicode/utf8"
)

// Fold thins out a log for those who watch it live: a line that is rewritten with carriage returns (a
// progress bar) is passed on at most every FoldEvery, and of the versions in between only the last.
// Whole lines pass at once. It does no I/O: the caller adds bytes and takes chunks.
type Fold struct {
	raw     []byte // not yet taken
	offset  int64  // of raw in the log
	midline bool   // part of raw's first line was taken already
	last    time.Time
}

// FoldEvery is the least time between two versions of one line.
const FoldEvery = 100 * time.Millisecond

// foldMost is how much waits at most: a line that long is no progress bar.
const foldMost = 64 << 10

// Chunk is a piece of a log: Text stands for the bytes from Offset to End.
type Chunk struct {
	Offset, End int64
	Text        []byte
}

// NewFold returns a Fold for a log read from offset.
func NewFold(offset int64) *Fold { return &Fold{offset: offset} }

// Add takes over bytes that follow the ones before.
func (f *Fold) Add(p []byte) { f.raw = append(f.raw, p...) }

// Take returns what may be sent now, and, if something has to wait, for how long. An empty Chunk has
// Offset == End.
func (f *Fold) Take(now time.Time) (c Chunk, wait time.Duration) {
	cut := bytes.LastIndexByte(f.raw, '\n') + 1
	tail := f.raw[cut:]
	switch {
	case len(tail) == 0:
	case !bytes.ContainsRune(tail, '\r') || len(tail) > foldMost:
		cut = f.whole()
	case now.Sub(f.last) >= FoldEvery:
		f.last, cut = now, f.whole()
	default:
		wait = FoldEvery - now.Sub(f.last)
	}
	return f.cut(cut), wait
}

// Rest returns everything, at the log's end.
func (f *Fold) Rest() Chunk { return f.cut(len(f.raw)) }

// whole is the length of raw without a character of which only a part is there.
func (f *Fold) whole() int {
	n := len(f.raw)
	for back := 1; back <= min(utf8.UTFMax-1, n); back++ {
		if b := f.raw[n-back]; utf8.RuneStart(b) {
			if b >= utf8.RuneSelf && !utf8.FullRune(f.raw[n-back:]) {
				return n - back
			}
			break
		}
	}
	return n
}

func (f *Fold) cut(n int) Chunk {
	c := Chunk{Offset: f.offset, End: f.offset + int64(n)}
	if n == 0 {
		return c
	}
	for line := range bytes.Lines(f.raw[:n]) {
		c.Text = append(c.Text, foldLine(line, f.midline)...)
		f.midline = line[len(line)-1] != '\n'
	}
	f.offset = c.End
	f.raw = append(f.raw[:0], f.raw[n:]...)
	return c
}

// foldLine leaves the last version of a line. midline says that the reader has an earlier one, which
// must be overwritten.
func foldLine(line []byte, midline bool) []byte {
	body := bytes.TrimRight(line, "\r\n")
	end := line[len(body):]
	if i := bytes.Index(end, []byte("\r\r")); i >= 0 {
		end = append([]byte("\r"), bytes.TrimLeft(end, "\r")...)
	}
	i := bytes.LastIndexByte(body, '\r')
	if i < 0 {
		return append(body[:len(body):len(body)], end...)
	}
	if !midline {
		i++ // without the carriage return
	}
	return append(body[i:len(body):len(body)], end...)
}
