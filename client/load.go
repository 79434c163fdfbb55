package client

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Profile says which server to talk to, and as whom. The server writes one as client.json into its
// data folder; "zaffre login" writes one into the user's configuration folder.
type Profile struct {
	URL       string `json:"url"`
	CA        string `json:"ca,omitempty"` // a PEM file, relative to the profile's folder, or the PEM text itself
	Token     string `json:"token,omitempty"`
	Workspace string `json:"workspace,omitempty"` // the one that is meant where none is named
	Path      string `json:"-"`                   // where it was read
}

// Load reads the profile client.json of a server's data folder. It fails with CodeNotFound, Reason
// "ProfileNotFound", if there is none.
func Load(dir string) (Profile, error) { return LoadFile(filepath.Join(dir, "client.json")) }

// LoadFile reads a profile.
func LoadFile(path string) (Profile, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Profile{}, &Fault{
			Code: CodeNotFound, Reason: "ProfileNotFound", Title: "no server is known",
			Detail: "there is no file " + path, Fix: "start a server here, run: zaffre serve; or log in to one, run: zaffre login URL",
		}
	}
	if err != nil {
		return Profile{}, &Fault{
			Code: CodeDenied, Reason: "ProfileUnreadable", Title: "the login cannot be read",
			Detail: err.Error(), Fix: "run as the user of the server, or log in; run: zaffre login URL",
		}
	}
	p := Profile{Path: path}
	if err := json.Unmarshal(b, &p); err != nil || p.URL == "" {
		return Profile{}, invalid("ProfileInvalid", "the login cannot be used", path+" is not a profile of zaffre", "write it anew; run: zaffre login URL")
	}
	if p.CA != "" && !strings.Contains(p.CA, "-----BEGIN") && !filepath.IsAbs(p.CA) {
		p.CA = filepath.Join(filepath.Dir(path), p.CA)
	}
	return p, nil
}

// Save writes the profile to path, for its owner only, in one step: a reader sees the old file or
// the new one.
func (p Profile) Save(path string) error {
	b, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".login-*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if _, err := f.Write(append(b, '\n')); err != nil {
		f.Close()
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// Config returns what New needs. It reads the CA, if that is not in the profile.
func (p Profile) Config() (Config, error) {
	cfg := Config{URL: p.URL, Token: p.Token}
	if !strings.Contains(p.CA, "-----BEGIN") {
		cfg.CAFile = p.CA
		return cfg, nil
	}
	pool, err := poolOf([]byte(p.CA), p.Path)
	cfg.CA = pool
	return cfg, err
}

// Open returns a client for the profile.
func (p Profile) Open() (*Client, error) {
	cfg, err := p.Config()
	if err != nil {
		return nil, err
	}
	return New(cfg)
}

// LoginFile is where the user's login is kept: zaffre/login.json in $XDG_CONFIG_HOME, or else in
// ~/.config.
func LoginFile(getenv func(string) string) string {
	if dir := getenv("XDG_CONFIG_HOME"); dir != "" {
		return filepath.Join(dir, "zaffre", "login.json")
	}
	return filepath.Join(getenv("HOME"), ".config", "zaffre", "login.json")
}

// DataDir is the data folder that is meant where none is named: $ZAFFRE_DATA, else ~/.zaffre.
func DataDir(getenv func(string) string) string {
	if dir := getenv("ZAFFRE_DATA"); dir != "" {
		return dir
	}
	return filepath.Join(getenv("HOME"), ".zaffre")
}
