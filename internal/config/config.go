// Package config makes one structure of defaults, the configuration file, the environment and the
// command line, and remembers where each value came from.
package config

import (
	"path/filepath"
	"strconv"
	"time"
)

// Config is what a server runs by. The zero value is not usable: Load fills it.
type Config struct {
	Data      string // folder of everything that the server keeps
	Listen    string // host:port
	Database  string // URL; "" is SQLite in the data folder
	LogLevel  string // debug, info, warn, error
	LogFormat string // text, json
	Ephemeral bool   // keep nothing: everything lies in a temporary folder

	BodyLimit     int64 // bytes of a JSON body
	SnapshotLimit int64 // bytes of a snapshot

	LocalUser  string // who runs code on the target "server": a name, an ID, "same" or "auto"
	LocalSlots int    // runs at once on the target "server"; 0: one per core

	Grace    time.Duration // what requests and steps get at shutdown
	TLSNames []string      // names and addresses in the certificate besides those of this machine

	Azure     Azure   // real Azure, which is asked what stands behind resource IDs
	Inventory []Entry // of the inventory, in the order of the file

	values []Value
}

// Value is a setting as "config show" prints it.
type Value struct {
	Key    string `json:"key" yaml:"key"`
	Value  string `json:"value" yaml:"value"`   // a password in it is hidden
	Source string `json:"source" yaml:"source"` // "default", "flag --listen", "environment ZAFFRE_LISTEN", "/etc/zaffre.yaml:3"
	Help   string `json:"help" yaml:"help"`
}

// Values returns every setting, in the order of Settings, with its source.
func (c Config) Values() []Value { return c.values }

// FileName is the name of the configuration file in the data folder.
const FileName = "zaffre.yaml"

// Sources says where to look, in rising order of precedence: the defaults, the file, the
// environment, the flags.
type Sources struct {
	File  string            // --config; "" is FileName in the data folder, which may be absent
	Env   map[string]string // ZAFFRE_*; HOME for the default data folder
	Flags map[string]string // by Setting.Key: those that were given
}

// Load reads the sources. It fails with fault.Invalid, Reason "ConfigInvalid", on a value that cannot
// be used, and with Reason "ConfigUnknown" on a key that no setting has; both name the place.
func Load(src Sources) (Config, error) {
	l := loader{src: src, found: map[string]origin{}}
	if err := l.data(); err != nil {
		return Config{}, err
	}
	if err := l.file(); err != nil {
		return Config{}, err
	}
	l.env()
	l.flags()
	c, err := l.config()
	if err == nil {
		c.Inventory, err = l.entries()
	}
	if len(c.Inventory) > 0 {
		c.values = append(c.values, Value{
			Key: inventoryKey, Value: strconv.Itoa(len(c.Inventory)), Source: l.place(l.inventory), Help: "entries of the inventory: what stands behind resource IDs",
		})
	}
	return c, err
}

// Dir returns a path in the data folder.
func (c Config) Dir(elem ...string) string {
	return filepath.Join(append([]string{c.Data}, elem...)...)
}

// Given reports whether a setting has its value from somewhere else than the default.
func (c Config) Given(key string) bool {
	for _, v := range c.values {
		if v.Key == key {
			return v.Source != "default"
		}
	}
	return false
}
