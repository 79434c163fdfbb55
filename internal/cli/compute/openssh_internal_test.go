package compute

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/id"
)

func TestParseHop(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]hop{
		"bastion":                    {host: "bastion"},
		"me@bastion":                 {user: "me", host: "bastion"},
		"me@corp@bastion:2222":       {user: "me@corp", host: "bastion", port: "2222"},
		"ssh://me@bastion.example:1": {user: "me", host: "bastion.example", port: "1"},
		"ssh://bastion/":             {host: "bastion"},
		"[2001:db8::1]:2222":         {host: "2001:db8::1", port: "2222"},
		"me@[2001:db8::1]":           {user: "me", host: "2001:db8::1"},
		"2001:db8::1":                {host: "2001:db8::1"},
	} {
		if diff := cmp.Diff(want, parseHop(text), cmp.AllowUnexported(hop{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

func TestForwarder(t *testing.T) {
	t.Parallel()
	for command, want := range map[string]string{
		"ssh -W %h:%p bastion":              "bastion",
		"ssh -q -W [%h]:%p me@bastion":      "me@bastion",
		"/usr/bin/ssh bastion -W %h:%p":     "bastion",
		"ssh -W other:22 bastion":           "",
		"ssh -i key -W %h:%p bastion":       "",
		"ssh -W %h:%p -p 2222 bastion":      "",
		"nc -x proxy %h %p":                 "",
		"ssh -W":                            "",
		"":                                  "",
		"cloudflared access ssh -W %h:%p x": "",
	} {
		if got := forwarder(command); got != want {
			t.Errorf("%q goes through %q, want %q", command, got, want)
		}
	}
}

func TestSlug(t *testing.T) {
	t.Parallel()
	for _, host := range []string{
		"bastion", "Bastion.Example", "10.0.0.4", "2001:db8::1", "-", "a", "é", strings.Repeat("long.", 20), "jump-", "a_b",
	} {
		if err := id.CheckSlug("name", slug(host)); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func TestShellWord(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]string{
		"gpu-box": "gpu-box", "/a/b.c": "/a/b.c", "": "''", "a b": "'a b'", "it's": `'it'\''s'`, "$HOME": "'$HOME'", "SHA256:a+/=": "SHA256:a+/=", "~/x": "'~/x'",
	} {
		if got := shellWord(word); got != want {
			t.Errorf("%q is %s, want %s", word, got, want)
		}
	}
}

func FuzzParseHop(f *testing.F) {
	f.Add("me@[2001:db8::1]:22")
	f.Add("ssh://@:")
	f.Fuzz(func(t *testing.T, text string) {
		h := parseHop(text)
		if strings.ContainsAny(h.host, "[]") && !strings.ContainsAny(strings.Trim(h.host, "[]"), "[]") {
			t.Errorf("%q: host %q", text, h.host)
		}
		if err := id.CheckSlug("name", slug(h.host)); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	})
}
