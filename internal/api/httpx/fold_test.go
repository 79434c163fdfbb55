package httpx_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/zaffre-ml/zaffre/internal/api/httpx"
)

func TestFoldKeepsLines(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		reason string
		in     []string
		want   string
	}{
		{"plain lines", []string{"a\nb\n"}, "a\nb\n"},
		{"a line in parts", []string{"a", "b\nc"}, "ab\nc"},
		{"lines of Windows", []string{"a\r\nb\r\n"}, "a\r\nb\r\n"},
		{"a bar that ended", []string{"10%\r20%\r100%\n"}, "100%\n"},
		{"a bar that goes on", []string{"10%\r20%\r30%"}, "30%"},
		{"a bar with the return at its end", []string{"10%\r20%\r"}, "20%\r"},
		{"a bar between lines", []string{"a\n1\r2\r3\nb\n"}, "a\n3\nb\n"},
		{"empty lines", []string{"\n\n\r\n"}, "\n\n\r\n"},
		{"a character in two parts", []string{"h\xc3", "\xa9\n"}, "hé\n"},
		{"bytes that are no text", []string{"\xff\xfe\n"}, "\xff\xfe\n"},
	} {
		t.Run(tc.reason, func(t *testing.T) {
			t.Parallel()
			f, now, got := httpx.NewFold(0), time.Now(), ""
			for _, p := range tc.in {
				f.Add([]byte(p))
				c, _ := f.Take(now)
				got += string(c.Text)
				now = now.Add(time.Second)
			}
			if got += string(f.Rest().Text); got != tc.want {
				t.Errorf("%q became %q, want %q", tc.in, got, tc.want)
			}
		})
	}
}

func TestFoldThinsOutABar(t *testing.T) {
	t.Parallel()
	f, now := httpx.NewFold(0), time.Now()
	chunks, length := 0, int64(0)
	var text strings.Builder
	for i := range 10_000 { // ten seconds of a bar that is redrawn every millisecond
		f.Add([]byte("\r" + strings.Repeat("#", i%50)))
		if c, wait := f.Take(now); c.End > c.Offset {
			chunks++
			text.Write(c.Text)
		} else if wait <= 0 || wait > httpx.FoldEvery {
			t.Fatalf("nothing to send and nothing to wait for: %v", wait)
		}
		length += int64(1 + i%50)
		now = now.Add(time.Millisecond)
	}
	last := f.Rest()
	text.Write(last.Text)
	if chunks < 90 || chunks > 110 {
		t.Errorf("%d chunks in ten seconds", chunks)
	}
	if last.End != length || text.Len() > 110*51 {
		t.Errorf("ends at %d of %d, with %d bytes", last.End, length, text.Len())
	}
	if versions := strings.Split(text.String(), "\r"); versions[len(versions)-1] != strings.Repeat("#", 9_999%50) {
		t.Errorf("the last version is %q", versions[len(versions)-1])
	}
}

// screen is what a terminal of one endless row per line shows.
func screen(log string) []string {
	var rows []string
	for line := range strings.SplitSeq(log, "\n") {
		row := []rune{}
		at := 0
		for _, r := range line {
			if r == '\r' {
				at, row = 0, row[:0] // a bar rewrites the whole of its line
				continue
			}
			row = append(row[:at], r)
			at++
		}
		rows = append(rows, string(row))
	}
	return rows
}

func TestFoldShowsTheSame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOf(rapid.StringOf(rapid.SampledFrom([]rune("ab\r\né")))).Draw(t, "parts")
		f, now := httpx.NewFold(7), time.Now()
		next, got, all := int64(7), "", strings.Join(parts, "")
		take := func(c httpx.Chunk) {
			if c.Offset != next || c.End < c.Offset {
				t.Fatalf("chunk %d-%d after %d", c.Offset, c.End, next)
			}
			next, got = c.End, got+string(c.Text)
		}
		for _, p := range parts {
			f.Add([]byte(p))
			c, _ := f.Take(now)
			take(c)
			now = now.Add(time.Duration(rapid.IntRange(0, 200).Draw(t, "ms")) * time.Millisecond)
		}
		take(f.Rest())
		if next != 7+int64(len(all)) {
			t.Fatalf("ended at %d of %d", next, 7+len(all))
		}
		want, shown := screen(all), screen(got)
		if strings.Join(visible(want), "\n") != strings.Join(visible(shown), "\n") {
			t.Fatalf("%q shows %q; folded to %q it shows %q", all, want, got, shown)
		}
	})
}

// visible leaves out rows that a carriage return at the end emptied: what was on them stays on a real
// terminal.
func visible(rows []string) []string {
	out := make([]string, 0, len(rows))
	for _, r := range rows {
		out = append(out, strings.TrimSpace(r))
	}
	return out
}
