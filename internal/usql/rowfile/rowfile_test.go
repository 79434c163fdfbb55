package rowfile_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/usql/dotnet"
	"github.com/zaffre-ml/zaffre/internal/usql/rowfile"
)

func with(change func(*rowfile.Format)) rowfile.Format {
	f := rowfile.Default()
	change(&f)
	return f
}

func null(s string) func(*rowfile.Format) { return func(f *rowfile.Format) { f.Null = &s } }

var columns = []rowfile.Column{{Name: "n", Kind: dotnet.Int, Nullable: true}, {Name: "s", Kind: dotnet.String, Nullable: true}}

func TestExchange(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		reason, in string
		format     rowfile.Format
		want       string
		fault      string // reason, and why
	}{
		{"nothing", "", rowfile.Default(), "", ""},
		{"all line ends", "1,a\r\n2,b\n3,c\r4,d", rowfile.Default(), "1,\"a\"\n2,\"b\"\n3,\"c\"\n4,\"d\"\n", ""},
		{"empty is null for an int?, and empty for a string", ",\n", rowfile.Default(), "\\N,\"\"\n", ""},
		{"empty in quotes is no int?", "\"\",x\n", rowfile.Default(), "", `ValueInvalid column 1, "n": "" is no int`},
		{"a number in quotes", "\"5\",x\n", rowfile.Default(), "5,\"x\"\n", ""},
		{"quotes, delimiters and line ends in quotes", "1,\"a \"\"b\"\", c\nd\"\n", rowfile.Default(), "1,\"a \"\"b\"\", c\nd\"\n", ""},
		{"a quote that is not at the begin", "1,a\"b\n", rowfile.Default(), "1,\"a\"\"b\"\n", ""},
		{"text behind a quote", "1,\"a\"b\n", rowfile.Default(), "", "QuoteNotAtEnd column 2 has text behind its closing quote"},
		{"a quote without its end", "1,\"a\n2,b\n", rowfile.Default(), "", "QuoteNotClosed column 2 begins with a quote that is not closed"},
		{"no quoting", "1,\"a\"b\n", with(func(f *rowfile.Format) { f.Quoting = false }), "1,\"\"\"a\"\"b\"\n", ""},
		{"the text for null", "NULL,NULL\n1,\"NULL\"\n", with(null("NULL")), "\\N,\\N\n1,\"NULL\"\n", ""},
		{"empty for null", "1,\n2,\"\"\n", with(null("")), "1,\\N\n2,\"\"\n", ""},
		{"an escape", "1,a\\,b\\\nc\\\\\n", with(func(f *rowfile.Format) { f.Escape = `\` }), "1,\"a,b\nc\\\"\n", ""},
		{"an escape in quotes", `1,"a\"b"`, with(func(f *rowfile.Format) { f.Escape = `\` }), "1,\"a\"\"b\"\n", ""},
		{"too few columns", "1,a\n2\n", rowfile.Default(), "1,\"a\"\n", "RowHasOtherColumns it has 1 columns, and EXTRACT names 2"},
		{"an empty row", "1,a\n\n2,b\n", rowfile.Default(), "1,\"a\"\n", "RowHasOtherColumns it has 1 columns, and EXTRACT names 2"},
		{"too many, silently", "1,a,b\n2,c\n", with(func(f *rowfile.Format) { f.Silent = true }), "2,\"c\"\n", ""},
		{"a number that is too large", "2147483648,a\n", rowfile.Default(), "", `ValueInvalid column 1, "n": "2147483648" is no int`},
		{"a number with spaces", " +7 ,a\n", rowfile.Default(), "7,\"a\"\n", ""},
		{"rows at the top", "a\nb,c,d\n1,x\n", with(func(f *rowfile.Format) { f.Skip = 2 }), "1,\"x\"\n", ""},
		{"a byte order mark", "\ufeff1,x\n", rowfile.Default(), "1,\"x\"\n", ""},
		{"a row delimiter of two", "1,a;\n2;;2,b;;", with(func(f *rowfile.Format) { f.RowDelimiter = ";;" }), "1,\"a;\n2\"\n2,\"b\"\n", ""},
		{"a delimiter beyond ASCII", "1→a\n", with(func(f *rowfile.Format) { f.Delimiter = "→" }), "1,\"a\"\n", ""},
		{"no UTF-8", "1,\xff\n", rowfile.Default(), "", "FileEncodingWrong it has a character that utf-8 has not"},
		{"no ASCII", "1,ä\n", with(func(f *rowfile.Format) { f.Encoding = rowfile.ASCII }), "", "FileEncodingWrong it has a character that ascii has not"},
		{"UTF-16 with the large end first", "\xfe\xff\x001\x00,\xd8\x3d\xde\x00\x00\n", with(func(f *rowfile.Format) { f.Encoding = rowfile.UTF16BE }), "1,\"😀\"\n", ""},
		{"half a character of UTF-16", "1\x00,\x00\x3d\xd8\n\x00", with(func(f *rowfile.Format) { f.Encoding = rowfile.UTF16 }), "", "FileEncodingWrong it has a character that utf-16 has not"},
	} {
		for _, src := range []io.Reader{strings.NewReader(tc.in), iotest.OneByteReader(strings.NewReader(tc.in)), iotest.DataErrReader(strings.NewReader(tc.in))} {
			var out bytes.Buffer
			_, err := rowfile.Extraction{Name: "/f", Format: tc.format, Columns: columns}.Exchange(&out, src)
			got := ""
			if err != nil {
				got = fault.ReasonOf(err) + " " + fault.From(err).Why
			}
			if diff := cmp.Diff(tc.fault, got); diff != "" {
				t.Errorf("%s: fault (-want +got):\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(tc.want, out.String()); err == nil && diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		}
	}
}

func TestFixedColumns(t *testing.T) {
	t.Parallel()
	x := rowfile.Extraction{
		Name: "/f", Format: rowfile.Default(), Fixed: map[int]string{0: "2026-01-02 00:00:00", 2: `a"b`},
		Columns: []rowfile.Column{{Name: "d", Kind: dotnet.DateTime}, {Name: "n", Kind: dotnet.Int}, {Name: "s", Kind: dotnet.String}},
	}
	var out bytes.Buffer
	rows, err := x.Exchange(&out, strings.NewReader("1\n2\n"))
	if want := "2026-01-02 00:00:00,1,\"a\"\"b\"\n2026-01-02 00:00:00,2,\"a\"\"b\"\n"; err != nil || rows != 2 || out.String() != want {
		t.Errorf("%d %v %q", rows, err, out.String())
	}
	x.Fixed[0] = "today"
	if _, err := x.Exchange(&out, strings.NewReader("1\n")); fault.ReasonOf(err) != "ValueInvalid" {
		t.Error(err)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error)  { return 0, errors.New("the disk is gone") }
func (broken) Write([]byte) (int, error) { return 0, errors.New("the disk is full") }

func TestDiskFails(t *testing.T) {
	t.Parallel()
	silent := with(func(f *rowfile.Format) { f.Silent = true })
	x := rowfile.Extraction{Name: "/f", Format: silent, Columns: columns}
	if _, err := x.Exchange(io.Discard, io.MultiReader(strings.NewReader("1,a\n2"), broken{})); fault.ReasonOf(err) != "FileUnreadable" {
		t.Error(err)
	}
	if _, err := x.Exchange(broken{}, strings.NewReader("1,a\n")); err == nil {
		t.Error("no error though nothing was written")
	}
}

// TestRowTooLong: a quote that is never closed must not fill the memory, and silent does not read over it.
func TestRowTooLong(t *testing.T) {
	t.Parallel()
	silent := with(func(f *rowfile.Format) { f.Silent = true })
	x := rowfile.Extraction{Name: "/f", Format: silent, Columns: columns}
	_, err := x.Exchange(io.Discard, io.MultiReader(strings.NewReader("1,\""), io.LimitReader(endless{}, 100<<20)))
	if fault.ReasonOf(err) != "RowTooLong" {
		t.Error(err)
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 'x'
	}
	return len(b), nil
}

// TestWriteThenRead: what an outputter writes, an extractor with the same parameters reads.
func TestWriteThenRead(t *testing.T) {
	t.Parallel()
	empty := "NIL"
	for _, f := range []rowfile.Format{
		rowfile.Default(),
		with(func(f *rowfile.Format) { f.Encoding = rowfile.UTF16; f.Delimiter = "é" }),
		with(func(f *rowfile.Format) { f.Encoding = rowfile.UTF16BE; f.Escape = `\`; f.Null = &empty }),
		with(func(f *rowfile.Format) { f.Quoting = false; f.Escape = "^"; f.RowDelimiter = "\n"; f.Null = &empty }),
	} {
		for range 300 {
			rows := random(f.Null != nil)
			var file, back bytes.Buffer
			if _, err := (rowfile.Output{Format: f, Columns: columns}).Write(&file, strings.NewReader(rows)); err != nil {
				t.Fatal(err)
			}
			if _, err := (rowfile.Extraction{Name: "f", Format: f, Columns: columns}).Exchange(&back, &file); err != nil {
				t.Fatalf("%v\n%q", err, rows)
			}
			if diff := cmp.Diff(rows, back.String()); diff != "" {
				t.Fatalf("%+v (-want +got):\n%s", f, diff)
			}
		}
	}
}

// random are rows in the format of exchange, full of characters that mean something. Without a text for null,
// a string of a file is never null.
func random(nulls bool) string {
	var b strings.Builder
	for range 1 + rand.IntN(5) {
		n, s := `\N`, `\N`
		if rand.IntN(4) > 0 {
			n = []string{"0", "-5", "2147483647"}[rand.IntN(3)]
		}
		if !nulls || rand.IntN(4) > 0 {
			s = ""
			for range rand.IntN(6) {
				s += []string{"a", ",", `""`, "\n", "\r", `\`, "^", "é", "😀", "|", " ", "N"}[rand.IntN(12)]
			}
			s = `"` + s + `"`
		}
		b.WriteString(n + "," + s + "\n")
	}
	return b.String()
}

// FuzzExchange: no input brings the extractor down, and how it is read in pieces makes no difference.
func FuzzExchange(f *testing.F) {
	f.Add([]byte("1,a\r\n2,\"b\"\"\",\n"), ",", "", "", true, false)
	f.Add([]byte("1|a^|b\n"), "|", "^", "\n", false, true)
	f.Add([]byte("\"a\";;\"b"), ";", `\`, ";;", true, true)
	f.Add([]byte("\xff\xfe1\x00,\x00"), ",", "", "\r\n", true, false)
	f.Fuzz(func(t *testing.T, data []byte, delimiter, escape, row string, quoting, silent bool) {
		if len([]rune(delimiter)) != 1 || delimiter == `"` || len([]rune(escape)) > 1 {
			t.Skip()
		}
		for _, e := range []rowfile.Encoding{rowfile.UTF8, rowfile.UTF16, rowfile.ASCII} {
			x := rowfile.Extraction{Name: "f", Columns: columns, Format: rowfile.Format{
				Delimiter: delimiter, Encoding: e, Quoting: quoting, Escape: escape, RowDelimiter: row, Silent: silent,
			}}
			var whole, pieces bytes.Buffer
			n, err := x.Exchange(&whole, bytes.NewReader(data))
			m, err2 := x.Exchange(&pieces, iotest.OneByteReader(bytes.NewReader(data)))
			if n != m || whole.String() != pieces.String() || (err == nil) != (err2 == nil) {
				t.Errorf("as a whole %d %v\n%q\nin pieces %d %v\n%q", n, err, whole.String(), m, err2, pieces.String())
			}
		}
	})
}

func BenchmarkExchange(b *testing.B) {
	cols := []rowfile.Column{{Name: "id", Kind: dotnet.Long}, {Name: "s", Kind: dotnet.String}, {Name: "d", Kind: dotnet.Double}, {Name: "at", Kind: dotnet.DateTime}, {Name: "t", Kind: dotnet.String}}
	data := []byte(strings.Repeat("123456789,some words here,3.14159,2026-01-02T03:04:05,\"quoted, with a comma\"\r\n", 100_000))
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := (rowfile.Extraction{Name: "f", Format: rowfile.Default(), Columns: cols}).Exchange(io.Discard, bytes.NewReader(data)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	cols := []rowfile.Column{{Name: "id", Kind: dotnet.Long}, {Name: "s", Kind: dotnet.String}, {Name: "d", Kind: dotnet.Double}, {Name: "at", Kind: dotnet.DateTime}}
	data := []byte(strings.Repeat("123456789,\"some words here\",3.14159,2026-01-02 03:04:05\n", 100_000))
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := (rowfile.Output{Format: rowfile.Default(), Columns: cols}).Write(io.Discard, bytes.NewReader(data)); err != nil {
			b.Fatal(err)
		}
	}
}
