package uvx

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Index is how this server comes to packages.
type Index struct {
	Default string   // URL that somebody configured; "": uv's own
	Extra   []string // more URLs, those with a password left out
	CA      []byte   // PEM, where somebody configured it
	Hosts   []string // HOST:PORT of all indexes and of the files that they name
}

// known is how long an answer is good, and knownFiles how long the hosts of files are.
const (
	known      = 10 * time.Minute
	knownFiles = 24 * time.Hour
)

// Index returns how this server comes to packages.
func (s *Store) Index(ctx context.Context) (Index, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.index != nil && time.Now().Before(s.until) {
		return *s.index, nil
	}
	unlock, err := s.lock()
	if err != nil {
		return Index{}, err
	}
	defer unlock()
	uv, err := s.native(ctx)
	if err != nil {
		return Index{}, err
	}
	out, err := s.run(ctx, "", uv, "pip", "compile", "-", "--quiet", "--no-header", "--emit-index-url")
	if err != nil {
		return Index{}, missing(err.Error(), err)
	}
	set := s.settings(ctx)
	x := Index{Default: shareable(set[varIndex])}
	for line := range strings.Lines(out) {
		option, address, _ := strings.Cut(strings.TrimSpace(line), " ")
		x.add(address)
		if option == "--extra-index-url" && shareable(address) != "" {
			x.Extra = append(x.Extra, address)
		}
	}
	if name := set[varCert]; name != "" {
		x.CA, _ = os.ReadFile(name)
	}
	files, err := s.files(ctx, uv)
	if err != nil {
		return Index{}, missing("its package index does not answer: "+err.Error(), err)
	}
	for _, m := range fileURL.FindAllStringSubmatch(files, -1) {
		x.add(m[1])
	}
	s.index, s.until = &x, time.Now().Add(known)
	return x, nil
}

// Host returns HOST:PORT from which this server has packages, as far as that is known without a look: of the index that
// somebody configured, else of the files of the one that was used before. "": neither is known.
func (s *Store) Host(ctx context.Context) string {
	if s.dir == "" {
		return ""
	}
	if h := HostOf(s.settings(ctx)[varIndex]); h != "" {
		return h
	}
	text, err := os.ReadFile(filepath.Join(s.dir, filesLock))
	if m := fileURL.FindSubmatch(text); err == nil && m != nil {
		return HostOf(string(m[1]))
	}
	return ""
}

// add notes the host of a URL.
func (x *Index) add(address string) {
	if h := HostOf(address); h != "" && !slices.Contains(x.Hosts, h) {
		x.Hosts = append(x.Hosts, h)
	}
}

// HostOf returns HOST:PORT of an https URL, "" of anything else.
func HostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" {
		return ""
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// shareable returns the URL unless it has a password in it, which stays here.
func shareable(address string) string {
	if u, err := url.Parse(address); err != nil || u.User != nil {
		return ""
	}
	return address
}

var fileURL = regexp.MustCompile(`url = "(https://[^"]+)"`)

// filesLock is where that is kept.
const filesLock = "pylock.toml"

// files returns a lock of one package, in which the index says where its files are. An old one is better than none.
func (s *Store) files(ctx context.Context, uv string) (string, error) {
	name := filepath.Join(s.dir, filesLock)
	old, oldErr := os.ReadFile(name)
	if info, err := os.Stat(name); err == nil && time.Since(info.ModTime()) < knownFiles && oldErr == nil {
		return string(old), nil
	}
	out, err := s.run(ctx, "uv\n", uv, "pip", "compile", "-", "--quiet", "--no-header", "--no-deps", "--universal", "--python-version", "3.12", "--format", "pylock.toml")
	if err != nil {
		if oldErr == nil {
			return string(old), nil
		}
		return "", err
	}
	return out, os.WriteFile(name, []byte(out), 0o600)
}

// settings are the server's variables for uv: its own, and what pip is told in the words of uv.
func (s *Store) settings(ctx context.Context) map[string]string {
	s.asked.Do(func() {
		s.set = map[string]string{}
		if python, err := exec.LookPath("python3"); err == nil {
			cmd := exec.CommandContext(ctx, python, "-m", "pip", "config", "list")
			cmd.Dir, cmd.WaitDelay = "/", time.Second
			out, _ := cmd.Output() // without pip there is nothing that it is told
			s.set = fromPip(string(out))
		}
		for _, name := range []string{varIndex, varExtra, varCert} {
			if v := os.Getenv(name); v != "" {
				s.set[name] = v
			}
		}
	})
	return s.set
}

// The variables of uv that say how it comes to packages.
const (
	varIndex = "UV_DEFAULT_INDEX"
	varExtra = "UV_INDEX"
	varCert  = "SSL_CERT_FILE"
)

// fromPip reads what "pip config list" says: lines "global.index-url='…'".
func fromPip(list string) map[string]string {
	set := map[string]string{}
	for line := range strings.Lines(list) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		_, key, _ = strings.Cut(strings.TrimPrefix(key, ":"), ".")
		value = strings.Join(strings.Fields(strings.ReplaceAll(strings.Trim(value, `'"`), `\n`, " ")), " ")
		switch key {
		case "index-url":
			set[varIndex] = value
		case "extra-index-url":
			set[varExtra] = value
		case "cert":
			set[varCert] = value
		}
	}
	return set
}

// run runs a program in the folder and returns what it says.
func (s *Store) run(ctx context.Context, in, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Stdin, cmd.WaitDelay = s.dir, strings.NewReader(in), time.Second
	cmd.Env = append(os.Environ(), "UV_CACHE_DIR="+filepath.Join(s.dir, "cache"), "UV_NO_PROGRESS=1", "NO_COLOR=1")
	for k, v := range s.settings(ctx) {
		if v != "" {
			cmd.Env = append(cmd.Env, k+"="+v)
		}
	}
	out, err := cmd.Output()
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		said := strings.Join(strings.Fields(string(e.Stderr)), " ")
		err = fmt.Errorf("%s: %w: %s", filepath.Base(name), err, said[max(0, len(said)-500):])
	}
	return string(out), err
}
