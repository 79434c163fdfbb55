package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/config"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

func write(t *testing.T, text string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, config.FileName), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func sourceOf(c config.Config, key string) string {
	for _, v := range c.Values() {
		if v.Key == key {
			return v.Source
		}
	}
	return ""
}

func TestLoadPrecedence(t *testing.T) {
	t.Parallel()
	dir := write(t, "listen: 127.0.0.1:1\nlog:\n  level: warn\n  format: json\ngrace: 3s\ntls.names: [a.example, 10.0.0.1]\n")
	c, err := config.Load(config.Sources{
		Env:   map[string]string{"ZAFFRE_DATA": dir, "ZAFFRE_LISTEN": "127.0.0.1:2", "ZAFFRE_LOG_LEVEL": "error"},
		Flags: map[string]string{"listen": "127.0.0.1:3"},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, key := range []string{"data", "listen", "log.level", "log.format", "grace", "limits.body"} {
		got[key] = sourceOf(c, key)
	}
	file := filepath.Join(dir, config.FileName)
	want := map[string]string{
		"data": "environment ZAFFRE_DATA", "listen": "flag --listen", "log.level": "environment ZAFFRE_LOG_LEVEL",
		"log.format": file + ":4", "grace": file + ":5", "limits.body": "default",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("sources (-want +got):\n%s", diff)
	}
	if c.Listen != "127.0.0.1:3" || c.LogLevel != "error" || c.LogFormat != "json" || c.Grace != 3*time.Second || c.BodyLimit != 4<<20 {
		t.Errorf("values: %+v", c)
	}
	if diff := cmp.Diff([]string{"a.example", "10.0.0.1"}, c.TLSNames); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

func TestLoadDefaults(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	c, err := config.Load(config.Sources{Env: map[string]string{"HOME": home}})
	if err != nil {
		t.Fatal(err)
	}
	if c.Data != filepath.Join(home, ".zaffre") || c.Listen != "127.0.0.1:8443" || c.Grace != 10*time.Second {
		t.Errorf("defaults: %+v", c)
	}
	if len(c.Values()) != len(config.Settings()) {
		t.Errorf("%d values of %d settings", len(c.Values()), len(config.Settings()))
	}
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		reason, file string
		flags        map[string]string
		want, where  string
	}{
		{"unknown key", "listen: 127.0.0.1:1\nlisten_on: x\n", nil, "ConfigUnknown", ":2"},
		{"unknown nested key", "log:\n  lvl: info\n", nil, "ConfigUnknown", ":2"},
		{"the data folder in its own file", "data: /x\n", nil, "ConfigUnknown", ":1"},
		{"not YAML", "listen: [\n", nil, "ConfigInvalid", ""},
		{"a list instead of settings", "- a\n", nil, "ConfigInvalid", ":1"},
		{"twice", "log.level: info\nlog:\n  level: warn\n", nil, "ConfigInvalid", ":3"},
		{"bad address", "listen: nowhere\n", nil, "ConfigInvalid", ":1"},
		{"bad port", "", map[string]string{"listen": "127.0.0.1:99999"}, "ConfigInvalid", "--listen"},
		{"bad size", "limits:\n  body: lots\n", nil, "ConfigInvalid", ":2"},
		{"bad duration", "grace: soon\n", nil, "ConfigInvalid", ":1"},
		{"bad level", "log:\n  level: loud\n", nil, "ConfigInvalid", ":2"},
		{"negative slots", "", map[string]string{"local.slots": "-1"}, "ConfigInvalid", "--local-slots"},
	} {
		t.Run(tc.reason, func(t *testing.T) {
			t.Parallel()
			dir := write(t, tc.file)
			_, err := config.Load(config.Sources{Env: map[string]string{"ZAFFRE_DATA": dir}, Flags: tc.flags})
			if fault.ReasonOf(err) != tc.want || !strings.Contains(err.Error(), tc.where) {
				t.Errorf("Load = %v; want reason %s and place %q", err, tc.want, tc.where)
			}
		})
	}
}

func TestLoadWithoutHome(t *testing.T) {
	t.Parallel()
	if _, err := config.Load(config.Sources{}); fault.ReasonOf(err) != "ConfigInvalid" {
		t.Errorf("Load = %v", err)
	}
}

func TestDatabasePasswordIsHidden(t *testing.T) {
	t.Parallel()
	for _, u := range []string{"postgres://u:s3cret@h/db", "postgres://h/db?user=u&password=s3cret", "postgres://u:s3cret@h:x/db", "mysql://u:s3cret@h/db"} {
		c, err := config.Load(config.Sources{Env: map[string]string{"ZAFFRE_DATA": t.TempDir(), "ZAFFRE_DATABASE": u}})
		text := ""
		for _, v := range c.Values() {
			text += v.Value
		}
		if err != nil {
			text += err.Error()
		}
		if strings.Contains(text, "s3cret") {
			t.Errorf("%s: the password shows: %s", u, text)
		}
	}
}
