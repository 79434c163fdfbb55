package id_test

import (
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
)

func TestNewSortsByTime(t *testing.T) {
	t.Parallel()
	ids := make([]string, 10_000)
	for i := range ids {
		ids[i] = id.New()
		if len(ids[i]) != 26 || strings.Trim(ids[i], "0123456789abcdefghjkmnpqrstvwxyz") != "" {
			t.Fatalf("%q is no ULID in lower case", ids[i])
		}
	}
	if !slices.IsSorted(ids) {
		t.Error("IDs made one after the other do not sort so")
	}
	if n := len(slices.Compact(ids)); n != 10_000 {
		t.Errorf("%d different IDs of 10,000", n)
	}
}

func TestCheckName(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, s string
		ok      bool
	}{
		{"plain", "run-1", true},
		{"one letter", "a", true},
		{"slash, quotes, spaces inside", `a/b "c" 'd' ~`, true},
		{"UTF-8", "実験 é", true},
		{"dots", "..", true},
		{"longest", strings.Repeat("x", 256), true},
		{"empty", "", false},
		{"too long", strings.Repeat("x", 257), false},
		{"too long in bytes", strings.Repeat("é", 129), false},
		{"newline", "a\nb", false},
		{"NUL", "a\x00b", false},
		{"escape sequence", "a\x1b[31mb", false},
		{"C1 control", "a\u0085b", false},
		{"not UTF-8", "a\xffb", false},
		{"space first", " a", false},
		{"space last", "a ", false},
		{"only a space", " ", false},
	} {
		check(t, c.name, id.CheckName("name", c.s), c.ok)
	}
}

func TestCheckSlug(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, s string
		ok      bool
	}{
		{"plain", "gpu-box-1", true},
		{"shortest", "a1", true},
		{"longest", strings.Repeat("x", 32), true},
		{"capitals", "GpuBox", true},
		{"empty", "", false},
		{"one letter", "a", false},
		{"too long", strings.Repeat("x", 33), false},
		{"digit first", "1a", false},
		{"hyphen first", "-a", false},
		{"hyphen last", "a-", false},
		{"slash", "a/b", false},
		{"dot", "a.b", false},
		{"underscore", "a_b", false},
		{"space", "a b", false},
		{"newline", "ab\n", false},
		{"letters of other scripts", "日本", false},
		{"digits of other scripts", "a٣", false},
		{"not UTF-8", "a\xff", false},
	} {
		check(t, c.name, id.CheckSlug("name", c.s), c.ok)
	}
}

func check(t *testing.T, name string, err error, ok bool) {
	t.Helper()
	if (err == nil) != ok {
		t.Errorf("%s: got %v", name, err)
	}
	if err == nil {
		return
	}
	f := fault.From(err)
	if f.Code != fault.Invalid || f.Reason != "NameInvalid" || f.Field != "name" {
		t.Errorf("%s: got %+v", name, f)
	}
	if !utf8.ValidString(f.Error()) || strings.ContainsFunc(f.Error(), unicode.IsControl) || len(f.Error()) > 200 {
		t.Errorf("%s: the error cannot be printed: %q", name, f.Error())
	}
}

func FuzzCheckName(f *testing.F) {
	for _, s := range []string{"run-1", "", "a\nb", "a\xff", strings.Repeat("é", 200), " x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, err := range []error{id.CheckName("name", s), id.CheckSlug("name", s)} {
			check(t, s, err, err == nil)
		}
		if id.CheckSlug("name", s) == nil && id.CheckName("name", s) != nil {
			t.Errorf("%q is a slug and no name", s)
		}
	})
}
