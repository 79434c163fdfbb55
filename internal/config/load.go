package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// origin is a value before it is checked, and where it stands.
type origin struct{ value, source string }

type loader struct {
	src   Sources
	dir   string // the data folder, in which the file is
	found map[string]origin

	name      string     // of the configuration file
	inventory *yaml.Node // nil: the file has none
}

// data finds the data folder: the file lies in it, so it is not read from there.
func (l *loader) data() error {
	home := l.src.Env["HOME"]
	o := origin{value: filepath.Join(home, ".zaffre"), source: "default"}
	if v := l.src.Env["ZAFFRE_DATA"]; v != "" {
		o = origin{v, "environment ZAFFRE_DATA"}
	}
	if v := l.src.Flags["data"]; v != "" {
		o = origin{v, "flag --data"}
	}
	if rest, ok := strings.CutPrefix(o.value, "~/"); ok {
		o.value = filepath.Join(home, rest)
	}
	if o.source == "default" && home == "" {
		return &fault.Error{
			Code: fault.Invalid, Reason: "ConfigInvalid", What: "there is no data folder",
			Why: "$HOME is not set, so the default ~/.zaffre cannot be found", Fix: "give one; run: zaffre serve --data DIR", Field: "data",
		}
	}
	l.found["data"], l.dir = o, o.value
	return nil
}

// file reads the configuration file: settings by key, nested or with dots.
func (l *loader) file() error {
	name := l.src.File
	if name == "" {
		name = filepath.Join(l.dir, FileName)
	}
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) && l.src.File == "" {
		return nil
	}
	if err != nil {
		return &fault.Error{
			Code: fault.Invalid, Reason: "ConfigUnreadable", What: "the configuration file cannot be read",
			Why: err.Error(), Fix: "correct the path or the file's permissions; run: zaffre config show --config FILE",
		}
	}
	var doc yaml.Node
	if err := yaml.NewDecoder(bytes.NewReader(b)).Decode(&doc); errors.Is(err, io.EOF) {
		return nil
	} else if err != nil {
		return badFile(name, err.Error())
	}
	l.name = name
	return l.walk(name, "", doc.Content[0])
}

func (l *loader) walk(file, prefix string, n *yaml.Node) error {
	if n.Kind != yaml.MappingNode {
		return badFile(fmt.Sprintf("%s:%d", file, n.Line), "settings are expected here, as key: value")
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := prefix+n.Content[i].Value, n.Content[i+1]
		place := fmt.Sprintf("%s:%d", file, n.Content[i].Line)
		if key == inventoryKey {
			if l.inventory != nil {
				return badFile(place, key+" stands twice in the file")
			}
			l.inventory = value
			continue
		}
		if isGroup(key) && value.Kind == yaml.MappingNode {
			if err := l.walk(file, key+".", value); err != nil {
				return err
			}
			continue
		}
		if err := l.keep(key, place, value); err != nil {
			return err
		}
	}
	return nil
}

func (l *loader) keep(key, place string, value *yaml.Node) error {
	if !isSetting(key) || key == "data" {
		return unknownKey(key, place)
	}
	if _, twice := l.found[key]; twice {
		return badFile(place, key+" stands twice in the file")
	}
	text := value.Value
	if value.Kind == yaml.SequenceNode {
		var parts []string
		if err := value.Decode(&parts); err != nil {
			return badFile(place, key+" holds something that is no text")
		}
		text = strings.Join(parts, ",")
	} else if value.Kind != yaml.ScalarNode {
		return badFile(place, key+" is no simple value")
	}
	if text != "" && !filepath.IsAbs(text) && isPath(key) {
		text = filepath.Join(filepath.Dir(l.name), text)
	}
	l.found[key] = origin{text, place}
	return nil
}

func isGroup(key string) bool {
	for _, s := range Settings() {
		if strings.HasPrefix(s.Key, key+".") {
			return true
		}
	}
	return false
}

func isSetting(key string) bool {
	for _, s := range Settings() {
		if s.Key == key {
			return true
		}
	}
	return false
}

// isPath reports whether a setting is a path that the file gives from its own folder.
func isPath(key string) bool { return key == "azure.secret-file" }

func (l *loader) env() {
	for _, s := range Settings() {
		if v, ok := l.src.Env[s.Env()]; ok && v != "" && s.Key != "data" {
			l.found[s.Key] = origin{v, "environment " + s.Env()}
		}
	}
}

func (l *loader) flags() {
	for _, s := range Settings() {
		if v, ok := l.src.Flags[s.Key]; ok && s.Key != "data" {
			l.found[s.Key] = origin{v, "flag --" + s.Flag()}
		}
	}
}

func (l *loader) config() (Config, error) {
	var c Config
	for _, s := range Settings() {
		o, ok := l.found[s.Key]
		if !ok {
			o = origin{s.Default, "default"}
		}
		if err := s.set(&c, o.value); err != nil {
			return Config{}, badValue(s, o, err)
		}
		c.values = append(c.values, Value{Key: s.Key, Value: s.get(&c), Source: o.source, Help: s.Help})
	}
	return c, l.together(c)
}

// together reports which settings do not go together.
func (l *loader) together(c Config) error {
	key, err := c.Azure.check()
	if err == nil {
		return nil
	}
	var from []string
	for _, v := range c.values {
		if strings.HasPrefix(v.Key, "azure.") && c.Given(v.Key) {
			from = append(from, v.Key+" from "+v.Source)
		}
	}
	return &fault.Error{
		Code: fault.Invalid, Reason: "ConfigInvalid", What: "the setting " + key + " cannot be used",
		Why: fmt.Sprintf("%s (%s)", err.Error(), strings.Join(from, ", ")), Fix: "correct it; run: zaffre config show", Field: key,
	}
}

func badValue(s Setting, o origin, err error) error {
	shown := fmt.Sprintf("%q: ", o.value)
	if s.Key == "database" {
		shown = "" // it may hold a password
	}
	return &fault.Error{
		Code: fault.Invalid, Reason: "ConfigInvalid", What: "the setting " + s.Key + " cannot be used",
		Why: fmt.Sprintf("%s%s (from %s)", shown, err.Error(), o.source), Fix: "correct it; run: zaffre config show", Field: s.Key,
	}
}

func badFile(place, why string) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "ConfigInvalid", What: "the configuration file cannot be used",
		Why: place + ": " + why, Fix: "correct it; run: zaffre config show",
	}
}

func unknownKey(key, place string) error {
	var known []string
	for _, s := range Settings() {
		if s.Key != "data" {
			known = append(known, s.Key)
		}
	}
	known = append(known, inventoryKey)
	why := "there is no setting " + key
	if key == "data" {
		why = "the data folder cannot be set in the file, which lies in it"
	}
	return &fault.Error{
		Code: fault.Invalid, Reason: "ConfigUnknown", What: "the configuration file cannot be used",
		Why: place + ": " + why + "; there are " + strings.Join(known, ", "), Fix: "remove it or correct its name; run: zaffre config show", Field: key,
	}
}
