package uvx_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/uvx"
)

// programs makes programs the only ones on the PATH, beside the system's small ones.
func programs(t *testing.T, texts map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range texts {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	for _, name := range []string{"UV_DEFAULT_INDEX", "UV_INDEX", "SSL_CERT_FILE"} {
		t.Setenv(name, "")
	}
}

// uv says what uv says of the index that its variables name, and installs what tells its platform.
const uv = `case "$*" in
*pylock.toml*) cat >/dev/null; [ -z "$OFFLINE" ] || { echo "error: no network" >&2; exit 2; }
  echo 'wheels = ['; echo '  { url = "https://files.example/a/uv.whl", size = 1 },'; echo ']';;
*emit-index-url*) echo "--index-url ${UV_DEFAULT_INDEX:-https://own.example/simple}"
  for i in $UV_INDEX; do echo "--extra-index-url $i"; done;;
"pip install"*) [ -z "$OFFLINE" ] || { echo "error: no network" >&2; exit 2; }
  while [ $# -gt 0 ]; do [ "$1" = --target ] && to=$2; [ "$1" = --python-platform ] && for=$2; shift; done
  mkdir -p "$to/bin"; echo "for $for" >"$to/bin/uv"; echo made >>made;;
*) exit 9;;
esac
`

func TestIndex(t *testing.T) {
	cert := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(cert, []byte("PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, pip    string
		want         uvx.Index
		before, host string // from where packages come, as far as that is known
	}{
		{"nothing is configured", "", uvx.Index{Hosts: []string{"own.example:443", "files.example:443"}}, "", "files.example:443"},
		{
			"pip is configured",
			"global.index-url='https://mirror.example:8443/simple'\nglobal.extra-index-url='\\nhttps://u:p@closed.example/x\\nhttps://open.example/x'\n:env:.cert='" + cert + "'\n",
			uvx.Index{
				Default: "https://mirror.example:8443/simple", Extra: []string{"https://open.example/x"}, CA: []byte("PEM"),
				Hosts: []string{"mirror.example:8443", "closed.example:443", "open.example:443", "files.example:443"},
			},
			"mirror.example:8443", "mirror.example:8443",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			programs(t, map[string]string{"uv": uv, "python3": "cat <<'END'\n" + tt.pip + "END\n"})
			dir := t.TempDir()
			s := uvx.New(dir)
			before := s.Host(t.Context())
			got, err := s.Index(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("index (-want +got):\n%s", diff)
			}
			if host := uvx.New(dir).Host(t.Context()); before != tt.before || host != tt.host {
				t.Errorf("packages come from %q, and then %q, want %q and %q", before, host, tt.before, tt.host)
			}
		})
	}
}

// TestIndexAway: what the index said of its files is kept, and nothing is made up where it never said it.
func TestIndexAway(t *testing.T) {
	programs(t, map[string]string{"uv": uv, "python3": "exit 1\n"})
	dir := t.TempDir()
	want, err := uvx.New(dir).Index(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("OFFLINE", "yes")
	long := filepath.Join(dir, "pylock.toml")
	old, err := os.Stat(long)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(long, old.ModTime().AddDate(-1, 0, 0), old.ModTime().AddDate(-1, 0, 0)); err != nil {
		t.Fatal(err)
	}
	got, err := uvx.New(dir).Index(t.Context())
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("while it is away: %v (-want +got):\n%s", err, diff)
	}
	if _, err := uvx.New(t.TempDir()).Index(t.Context()); fault.ReasonOf(err) != "ServerUvMissing" || !strings.Contains(err.Error(), "no network") {
		t.Errorf("where it never answered: %v", err)
	}
}

func TestBinary(t *testing.T) {
	programs(t, map[string]string{"uv": uv, "python3": "exit 1\n"})
	dir := t.TempDir()
	for range 2 {
		for arch, platform := range map[string]string{"amd64": "x86_64-unknown-linux-musl", "arm64": "aarch64-unknown-linux-musl"} {
			f, err := uvx.New(dir).Binary(t.Context(), arch)
			if err != nil {
				t.Fatal(err)
			}
			if text, err := os.ReadFile(f.Path); string(text) != "for "+platform+"\n" || f.Size != int64(len(text)) || len(f.Hash) != 64 || err != nil {
				t.Errorf("%s: %+v, %q, %v", arch, f, text, err)
			}
		}
	}
	if made, err := os.ReadFile(filepath.Join(dir, "made")); string(made) != "made\nmade\n" || err != nil {
		t.Errorf("each was made more than once: %q, %v", made, err)
	}
	t.Setenv("OFFLINE", "yes")
	f, err := uvx.New(t.TempDir()).Binary(t.Context(), runtime.GOARCH)
	if filepath.Base(f.Path) != "uv" || err != nil {
		t.Errorf("without an index the server's own is good for machines like it: %+v, %v", f, err)
	}
	if _, err := uvx.New(t.TempDir()).Binary(t.Context(), "riscv64"); fault.ReasonOf(err) != "ServerUvMissing" {
		t.Errorf("for an unknown architecture: %v", err)
	}
	if _, err := uvx.New("").Binary(t.Context(), "amd64"); fault.ReasonOf(err) != "ServerUvMissing" {
		t.Errorf("without a folder: %v", err)
	}
}

// TestInstall: a server without uv has an interpreter install it, with pip or in an environment that has pip.
func TestInstall(t *testing.T) {
	const inVenv = `case "$*" in
"-m venv "*) mkdir -p "$3/bin"; cat >"$3/bin/python" <<'END'
#!/bin/sh
printf '#!/bin/sh\nmkdir -p "$6/bin"; echo static >"$6/bin/uv"\n' >"$(dirname "$0")/uv"; chmod +x "$(dirname "$0")/uv"
END
chmod +x "$3/bin/python";;
*) echo "No module named pip" >&2; exit 1;;
esac
`
	programs(t, map[string]string{"python3": inVenv})
	if _, err := os.Stat("/usr/bin/uv"); !errors.Is(err, os.ErrNotExist) {
		t.Skip("this machine has uv in a system folder")
	}
	f, err := uvx.New(t.TempDir()).Binary(t.Context(), "amd64")
	if err != nil || f.Size != int64(len("static\n")) {
		t.Errorf("%+v, %v", f, err)
	}
}
