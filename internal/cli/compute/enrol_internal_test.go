package compute

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	xssh "golang.org/x/crypto/ssh"
)

const marker = "zaffre:team.a/gpu@0123"

// TestAuthorize: a key is added once, whatever the file is like; what others put there stays as it is.
func TestAuthorize(t *testing.T) {
	t.Parallel()
	k := targetKey{marker: marker, line: "restrict ssh-ed25519 NEW " + marker}
	const others = "# a comment\nssh-rsa AAAA me@home\nrestrict ssh-ed25519 CCC zaffre:team.a/gpu@4567\nrestrict ssh-ed25519 DDD zaffre:teamxa/gpu@0123"
	old := "restrict ssh-ed25519 OLD " + marker + "\n"
	for name, c := range map[string]struct {
		before *string
		alone  bool
		want   string
	}{
		"no file":            {want: k.line + "\n"},
		"empty":              {before: new(""), alone: true, want: k.line + "\n"},
		"others":             {before: new(others + "\n"), alone: true, want: others + "\n" + k.line + "\n"},
		"no end of the line": {before: new(others), alone: true, want: others + "\n" + k.line + "\n"},
		"older goes":         {before: new(old + others + "\n" + old), alone: true, want: others + "\n" + k.line + "\n"},
		"older stays":        {before: new(old + others), want: old + others + "\n" + k.line + "\n"},
		"only older":         {before: new(old), alone: true, want: k.line + "\n"},
		"there already":      {before: new(k.line + "\n" + others), want: others + "\n" + k.line + "\n"},
	} {
		for _, link := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				home := t.TempDir()
				file := filepath.Join(home, ".ssh", "authorized_keys")
				real := file
				if link {
					real = filepath.Join(home, "kept elsewhere")
				}
				if c.before != nil {
					if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
						t.Fatal(err)
					}
					if err := os.WriteFile(real, []byte(*c.before), 0o640); err != nil {
						t.Fatal(err)
					}
					if link {
						if err := os.Symlink(real, file); err != nil {
							t.Fatal(err)
						}
					}
				}
				for range 2 {
					runScript(t, home, k.authorizeScript(c.alone))
				}
				got, err := os.ReadFile(file)
				if diff := cmp.Diff(c.want, string(got)); err != nil || diff != "" {
					t.Errorf("%v (-want +got):\n%s", err, diff)
				}
				checkModes(t, home, file, c.before == nil)
				runScript(t, home, strings.TrimSuffix(strings.TrimPrefix(k.removeCommand("cd && sh -c"), "cd && sh -c '"), "'"))
				left, err := os.ReadFile(file)
				if err != nil || strings.Contains(string(left), marker) {
					t.Errorf("taken back, %v, there is %s", err, left)
				}
			})
		}
	}
}

func runScript(t *testing.T, home, script string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-s")
	cmd.Dir, cmd.Env, cmd.Stdin = home, []string{"HOME=" + home, "PATH=" + os.Getenv("PATH")}, strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// checkModes: sshd reads no file that others may write, and nothing of ours is left beside it.
func checkModes(t *testing.T, home, file string, made bool) {
	t.Helper()
	want := os.FileMode(0o640)
	if made {
		want = 0o600
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != want {
		t.Errorf("%v, %v, want %v", info.Mode(), err, want)
	}
	all, err := filepath.Glob(filepath.Join(home, ".ssh", "*"))
	if err != nil || len(all) != 1 {
		t.Errorf("there are %v, %v", all, err)
	}
}

// TestNewTargetKey: the private part belongs to the line.
func TestNewTargetKey(t *testing.T) {
	t.Parallel()
	k, private, err := newTargetKey(marker)
	if err != nil {
		t.Fatal(err)
	}
	s, err := xssh.ParsePrivateKey([]byte(private))
	if err != nil {
		t.Fatal(err)
	}
	public, comment, options, _, err := xssh.ParseAuthorizedKey([]byte(k.line))
	if err != nil || string(public.Marshal()) != string(s.PublicKey().Marshal()) || comment != marker {
		t.Errorf("%s: %v", k.line, err)
	}
	if diff := cmp.Diff([]string{"restrict", "pty", "port-forwarding"}, options); diff != "" {
		t.Errorf("options (-want +got):\n%s", diff)
	}
}
