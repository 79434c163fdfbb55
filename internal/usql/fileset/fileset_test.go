package fileset_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/usql/fileset"
)

func TestMatch(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		path, file string
		want       map[string]string // nil: it does not fit
		dir        string
	}{
		{"/a/b.csv", "a/b.csv", map[string]string{}, "a"},
		{"a.csv", "a.csv", map[string]string{}, "."},
		{"a+b.csv", "aab.csv", nil, "."},
		{"/a/{*}.csv", "a/x.csv", map[string]string{}, "a"},
		{"/a/{*}.csv", "a/x/y.csv", nil, "a"},
		{"/a/{*}/{*}.csv", "a/x/y.csv", map[string]string{}, "a"},
		{"/in/s{name}.csv", "in/sx.csv", map[string]string{"name": "x"}, "in"},
		{"/{d:yyyy}/{d:MM}/{d:dd}/{h}.csv", "2026/01/02/x-y.csv", map[string]string{"d": "2026-01-02 00:00:00", "h": "x-y"}, "."},
		{"/{d:yyyy}{d:M}_{d:HH}{d:mm}{d:ss}", "20261_112233", map[string]string{"d": "2026-01-01 11:22:33"}, "."},
		{"/{d:yyyy}.csv", "26.csv", nil, "."},
	} {
		s, err := fileset.Parse(tc.path)
		if err != nil {
			t.Errorf("%s: %v", tc.path, err)
			continue
		}
		got, ok := s.Match(tc.file)
		if diff := cmp.Diff(tc.want, got); diff != "" || ok != (tc.want != nil) || s.Dir() != tc.dir {
			t.Errorf("%s, %s: %v %q (-want +got):\n%s", tc.path, tc.file, ok, s.Dir(), diff)
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"", "/", "../a", "/a/../../b", "/{", "/}", "/{a", "/{}", "/{a:yy}", "/{:yyyy}", "/{a}/{a}", "/{{a}}", "/a\x00"} {
		if s, err := fileset.Parse(path); err == nil {
			t.Errorf("%q: %+v", path, s)
		}
	}
}
