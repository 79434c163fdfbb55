package mlflow

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"
)

// FuzzDouble checks that every number comes back as it was, or as MLflow's server says it.
func FuzzDouble(f *testing.F) {
	for _, v := range []float64{0, math.Copysign(0, -1), 1, -1, 0.1, 1e15, 1e16, 1e21, 5e-324, math.MaxFloat64, math.Inf(1), math.Inf(-1), math.NaN()} {
		f.Add(math.Float64bits(v))
	}
	f.Fuzz(func(t *testing.T, bits uint64) {
		v := math.Float64frombits(bits)
		raw := appendDouble(nil, v)
		var got double
		if err := json.Unmarshal(raw, &got); err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		want := max(min(v, math.MaxFloat64), -math.MaxFloat64)
		if math.Float64bits(float64(got)) != math.Float64bits(want) && !(math.IsNaN(v) && math.IsNaN(float64(got))) {
			t.Errorf("%v became %s and %v", v, raw, got)
		}
	})
}

// FuzzLocate checks that an address leads to the files that it was made for.
func FuzzLocate(f *testing.F) {
	f.Add("default", "01h", "a b/é.txt", "m/1")
	f.Add("w s", "100%", "100%.txt", "модель/12")
	f.Fuzz(func(t *testing.T, ws, id, path, version string) {
		if id == "" || ws == "" || strings.HasPrefix(id, "~") || strings.HasPrefix(ws, "~") || strings.ContainsRune(id+ws, '/') || strings.HasPrefix(ws, passPrefix) {
			t.Skip("no names")
		}
		if strings.Trim(path, "/") != path {
			t.Skip("no path of a file")
		}
		a := &api{Deps: Deps{Key: []byte("k")}}
		l := locator{ws, runFiles, id, path}
		now := time.Unix(1_700_000_000, 0)
		signed := a.sign(l, true, now)
		gotPass, got, ok := locate("/" + signed + "/" + l.String())
		if !ok || got != l || gotPass != signed {
			t.Fatalf("%+v became %+v (%v) by %s", l, got, ok, l.String())
		}
		if ok, write := a.pass(signed, got, now.AddDate(0, 0, passFor)); !ok || !write {
			t.Error("its own address does not let in")
		}
		if ok, _ := a.pass(signed, got, now.AddDate(0, 0, passFor+2)); ok {
			t.Error("an old address lets in")
		}
		if ok, _ := a.pass(signed, locator{ws, loggedFiles, id, path}, now); ok {
			t.Error("an address lets in to another owner")
		}
	})
}

// FuzzFilter checks that the parser ends, and takes no text for two things.
func FuzzFilter(f *testing.F) {
	for _, s := range []string{"name = 'a'", "tags.`a b` != \"c\" AND name ILIKE '%x'", "creation_time > 1e3", "name IN ('a','b')", "tags.x IS NOT NULL", "name = 'it''s'"} {
		f.Add(s)
	}
	s := searcher[int]{names: map[string]bool{"name": false, "creation_time": true}}
	f.Fuzz(func(t *testing.T, text string) {
		list, err := s.parse(text)
		if err == nil && len(list) == 0 && strings.TrimSpace(text) != "" {
			t.Errorf("%q has no clauses and is no error", text)
		}
	})
}
