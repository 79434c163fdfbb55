package wire_test

import (
	"slices"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
)

func TestIndexes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{
		{"", ""},
		{"7", "7"},
		{"0-9", "0-9"},
		{"1,3,5-7:2", "1,3,5,7"},
		{"0-8:2", "0,2,4,6,8"},
		{"5,1-3,2,4", "1-5"},
		{"0-9999", "0-9999"},
	} {
		list, err := wire.ParseIndexes(tt.text)
		if err != nil || list.String() != tt.want {
			t.Errorf("%q is %q, %v, want %q", tt.text, list, err, tt.want)
		}
	}
	for _, bad := range []string{",", "a", "-1", "3-1", "1-", "1-3:0", "1:2", "+1", "1-2-3", "0-10000", "4000001", "1,,2", " 1", "1-3%2", "99999999999999999999"} {
		if list, err := wire.ParseIndexes(bad); err == nil {
			t.Errorf("%q is taken for %q", bad, list)
		}
	}
}

// FuzzIndexes: what is written is read as the same.
func FuzzIndexes(f *testing.F) {
	for _, s := range []string{"0-9", "1,3,5-7:2", "0-4000000:1000", "1-3%2", "-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list, err := wire.ParseIndexes(text)
		if err != nil {
			return
		}
		again, err := wire.ParseIndexes(list.String())
		if err != nil || !slices.Equal(list, again) || len(list) > wire.MaxTasks {
			t.Errorf("%q is %v, and then %v, %v", text, list, again, err)
		}
	})
}
