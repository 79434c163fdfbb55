package envwire_test

import (
	"strings"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/api/v1/envwire"
)

func TestScrub(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		`{"docker":{"baseImageRegistry":{"address":"r.example","username":"u","password":"hush"}},"n":1e400}`: `{"docker":{"baseImageRegistry":{"address":"r.example","password":null,"username":"u"}},"n":1e400}`,
		`{"environment":{"Docker":{"BaseImageRegistry":{"Password":"hush"}}}}`:                                `{"environment":{"Docker":{"BaseImageRegistry":{"Password":null}}}}`,
		`[{"baseImageRegistry":[{"password":{"a":"hush"}}]}]`:                                                 `[{"baseImageRegistry":[{"password":null}]}]`,
		`{ "docker":{"baseImageRegistry":{"password":null}}, "password":"a variable's" }`:                     "",
		`{"environmentVariables":{"password":"x"}}`:                                                           "",
		`{"docker`: "",
		``:         "",
	} {
		if want == "" {
			want = raw
		}
		got, found := envwire.Scrub([]byte(raw))
		if string(got) != want || found != (want != raw) {
			t.Errorf("%s became %s, found %v; want %s", raw, got, found, want)
		}
	}
}

func FuzzScrub(f *testing.F) {
	f.Add(`{"baseImageRegistry":{"password":"canary"}}`)
	f.Add(`{"baseImageRegistry":[[{"PASSWORD":["canary"]}]],"x":"y"}`)
	f.Fuzz(func(t *testing.T, raw string) {
		once, found := envwire.Scrub([]byte(raw))
		if again, more := envwire.Scrub(once); more || string(again) != string(once) {
			t.Errorf("%q became %q, and that %q", raw, once, again)
		}
		if found && !strings.Contains(strings.ToLower(raw), "assword") && !strings.Contains(raw, `\u`) {
			t.Errorf("it found a password in %q", raw)
		}
	})
}
