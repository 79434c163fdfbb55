package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Setting describes one value that can be set. Its environment variable and its flag follow from the
// key: "log.level" is ZAFFRE_LOG_LEVEL and --log-level.
type Setting struct {
	Key     string
	Default string
	Help    string
	Bool    bool // the flag needs no value
	set     func(c *Config, value string) error
	get     func(c *Config) string
}

// Env returns the name of the environment variable.
func (s Setting) Env() string {
	return "ZAFFRE_" + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(s.Key))
}

// Flag returns the name of the flag, without dashes.
func (s Setting) Flag() string { return strings.ReplaceAll(s.Key, ".", "-") }

// Settings returns every setting.
func Settings() []Setting {
	return slices.Concat(placeSettings(), logSettings(), limitSettings(), azureSettings())
}

func placeSettings() []Setting {
	return []Setting{
		{
			Key: "data", Default: "~/.zaffre", Help: "folder of everything that the server keeps",
			set: func(c *Config, v string) (err error) { c.Data, err = filepath.Abs(v); return err },
			get: func(c *Config) string { return c.Data },
		},
		{
			Key: "listen", Default: "127.0.0.1:8443", Help: "address and port to listen on",
			set: func(c *Config, v string) error { c.Listen = v; return checkListen(v) },
			get: func(c *Config) string { return c.Listen },
		},
		{
			Key: "database", Help: "URL of a PostgreSQL database; SQLite in the data folder if empty",
			set: func(c *Config, v string) error { c.Database = v; return checkDatabase(v) },
			get: func(c *Config) string { return redact(c.Database) },
		},
		{
			Key: "ephemeral", Default: "false", Help: "keep nothing: for tests and CI", Bool: true,
			set: func(c *Config, v string) (err error) { c.Ephemeral, err = strconv.ParseBool(v); return err },
			get: func(c *Config) string { return strconv.FormatBool(c.Ephemeral) },
		},
		{
			Key: "tls.names", Help: "names and addresses for the certificate, separated by commas, besides those of this machine",
			set: func(c *Config, v string) error { c.TLSNames = list(v); return nil },
			get: func(c *Config) string { return strings.Join(c.TLSNames, ",") },
		},
	}
}

func logSettings() []Setting {
	return []Setting{
		{
			Key: "log.level", Default: "info", Help: "debug, info, warn or error",
			set: func(c *Config, v string) error { c.LogLevel = v; return oneOf(v, "debug", "info", "warn", "error") },
			get: func(c *Config) string { return c.LogLevel },
		},
		{
			Key: "log.format", Default: "text", Help: "text or json",
			set: func(c *Config, v string) error { c.LogFormat = v; return oneOf(v, "text", "json") },
			get: func(c *Config) string { return c.LogFormat },
		},
	}
}

func limitSettings() []Setting {
	return []Setting{
		{
			Key: "limits.body", Default: "4MiB", Help: "size of a JSON request",
			set: func(c *Config, v string) (err error) { c.BodyLimit, err = parseSize(v); return err },
			get: func(c *Config) string { return formatSize(c.BodyLimit) },
		},
		{
			Key: "limits.snapshot", Default: "1GiB", Help: "size of a run's code",
			set: func(c *Config, v string) (err error) { c.SnapshotLimit, err = parseSize(v); return err },
			get: func(c *Config) string { return formatSize(c.SnapshotLimit) },
		},
		{
			Key: "local.user", Default: "auto", Help: `who runs code on the target "server": a user, "same" as the server, or "auto": another one where the server is root`,
			set: func(c *Config, v string) error { c.LocalUser = v; return nil },
			get: func(c *Config) string { return c.LocalUser },
		},
		{
			Key: "local.slots", Default: "0", Help: `runs at once on the target "server"; 0 is one per core`,
			set: func(c *Config, v string) (err error) { c.LocalSlots, err = parseCount(v); return err },
			get: func(c *Config) string { return strconv.Itoa(c.LocalSlots) },
		},
		{
			Key: "grace", Default: "10s", Help: "what running requests get when the server stops",
			set: func(c *Config, v string) (err error) { c.Grace, err = parseDuration(v); return err },
			get: func(c *Config) string { return c.Grace.String() },
		},
	}
}

func checkListen(v string) error {
	_, port, err := net.SplitHostPort(v)
	if err != nil {
		return errors.New("it is not of the form host:port")
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return errors.New("its port is no number from 0 to 65535")
	}
	return nil
}

func checkDatabase(v string) error {
	if v == "" {
		return nil
	}
	u, err := url.Parse(v)
	if err != nil || !slices.Contains([]string{"postgres", "postgresql", "sqlite"}, u.Scheme) {
		return errors.New("it is no URL of the scheme postgres or sqlite") // without the value: it may hold a password
	}
	return nil
}

func redact(database string) string {
	u, err := url.Parse(database)
	if err != nil {
		return "(hidden)"
	}
	q := u.Query()
	if q.Has("password") {
		q.Set("password", "xxxxx")
		u.RawQuery = q.Encode()
	}
	return u.Redacted()
}

func oneOf(v string, allowed ...string) error {
	if slices.Contains(allowed, v) {
		return nil
	}
	return errors.New("it is none of " + strings.Join(allowed, ", "))
}

func list(v string) []string {
	var out []string
	for s := range strings.SplitSeq(v, ",") {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}

func parseCount(v string) (int, error) {
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 || n > 10_000 {
		return 0, errors.New("it is no number from 0 to 10000")
	}
	return n, nil
}

func parseDuration(v string) (time.Duration, error) {
	d, err := time.ParseDuration(v)
	if err != nil || d < 0 {
		return 0, errors.New(`it is no duration such as "10s"`)
	}
	return d, nil
}

var units = []struct {
	name  string
	bytes int64
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

func parseSize(v string) (int64, error) {
	number, unit := v, int64(1)
	for _, u := range units {
		if s, ok := strings.CutSuffix(v, u.name); ok {
			number, unit = strings.TrimSpace(s), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n <= 0 || n > (1<<62)/unit {
		return 0, errors.New(`it is no size such as "64MiB"`)
	}
	return n * unit, nil
}

func formatSize(n int64) string {
	for _, u := range units {
		if n%u.bytes == 0 && n >= u.bytes {
			return fmt.Sprintf("%d%s", n/u.bytes, u.name)
		}
	}
	return strconv.FormatInt(n, 10)
}
