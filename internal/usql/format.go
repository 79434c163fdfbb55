package usql

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/zaffre-ml/zaffre/internal/usql/dotnet"
	"github.com/zaffre-ml/zaffre/internal/usql/rowfile"
	"github.com/zaffre-ml/zaffre/internal/usql/syntax"
)

// format compiles Extractors.Csv(…) and the like.
func (c *compiler) format(call *syntax.Call, read bool) rowfile.Format {
	f := rowfile.Default()
	fn := call.F.(*syntax.Member)
	switch fn.Name {
	case "Csv", "Text":
	case "Tsv":
		f.Delimiter = "\t"
	default:
		c.note(refused(call.At, fn.Name, "use Csv, Tsv or Text"))
		return f
	}
	for i, e := range call.Args {
		n := call.Names[i]
		if n == "" && i == 0 && fn.Name == "Text" {
			n = "delimiter"
		}
		if n == "delimiter" && fn.Name != "Text" || !slices.Contains(options(read), n) {
			c.note(invalid("ArgumentsWrong", e.Place(), "there is no parameter "+n+" here", "the parameters are "+strings.Join(options(read), ", "), "take one of them, as in quoting: false; a delimiter is one of Text"))
			continue
		}
		c.option(&f, n, e)
	}
	return f
}

func options(read bool) []string {
	if read {
		return []string{"delimiter", "encoding", "escapeCharacter", "nullEscape", "quoting", "rowDelimiter", "silent", "skipFirstNRows"}
	}
	return []string{"delimiter", "encoding", "escapeCharacter", "nullEscape", "quoting", "rowDelimiter", "outputHeader", "dateTimeFormat"}
}

// option sets one parameter.
func (c *compiler) option(f *rowfile.Format, name string, e syntax.Expr) {
	if name == "encoding" {
		c.encoding(f, e)
		return
	}
	v := (&scope{compiler: c}).expr(e)
	if isBad(v) {
		return
	}
	if v.known && v.lit == nil && (name == "nullEscape" || name == "escapeCharacter" || name == "rowDelimiter") {
		return // null is their default
	}
	if !v.known || !set(f, name, v) {
		c.note(invalid("ArgumentsWrong", e.Place(), "this is no value for "+name, "it takes a constant: "+want(name), "write "+want(name)))
	}
}

func want(name string) string {
	switch name {
	case "delimiter", "escapeCharacter":
		return "a char, as in '|'"
	case "quoting", "silent", "outputHeader":
		return "true or false"
	case "skipFirstNRows":
		return "a number"
	case "dateTimeFormat":
		return `a format that hangs on no culture, as in "yyyy-MM-dd HH:mm:ss"`
	}
	return "a string that is not empty"
}

func set(f *rowfile.Format, name string, v value) (ok bool) {
	text, isText := v.lit.(string)
	flag, isFlag := v.lit.(bool)
	char := isText && utf8.RuneCountInString(text) == 1
	switch name {
	case "delimiter":
		f.Delimiter = text
		return char && text != `"` && text != "\n" && text != "\r"
	case "escapeCharacter":
		f.Escape = text
		return char
	case "nullEscape":
		f.Null = &text
		return isText
	case "rowDelimiter":
		f.RowDelimiter = text
		return isText && text != ""
	case "quoting":
		f.Quoting, ok = flag, isFlag
	case "silent":
		f.Silent, ok = flag, isFlag
	case "outputHeader":
		f.Header, ok = flag, isFlag
	case "skipFirstNRows":
		n, isNumber := v.lit.(int64)
		f.Skip, ok = int(n), isNumber && n >= 0
	case "dateTimeFormat":
		_, err := dotnet.ParseFormat(text)
		f.DateTime, ok = text, isText && err == nil
	}
	return ok
}

// encoding reads Encoding.UTF8 and the like.
func (c *compiler) encoding(f *rowfile.Format, e syntax.Expr) {
	if m, ok := e.(*syntax.Member); ok {
		if n, ok := m.X.(*syntax.Name); ok && n.Name == "Encoding" {
			known, ok := map[string]rowfile.Encoding{
				"UTF8": rowfile.UTF8, "Unicode": rowfile.UTF16, "BigEndianUnicode": rowfile.UTF16BE, "ASCII": rowfile.ASCII,
			}[strings.Trim(m.Name, "[]")]
			if ok {
				f.Encoding = known
				return
			}
		}
	}
	c.note(refused(e.Place(), "this encoding", "use Encoding.UTF8, .Unicode, .BigEndianUnicode or .ASCII; convert others, with iconv for one"))
}
