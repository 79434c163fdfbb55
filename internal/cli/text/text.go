// Package text is the catalogue of what the CLI says, in English and Japanese.
package text

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Lang is a language of the catalogue.
type Lang string

// The languages.
const (
	English  Lang = "en"
	Japanese Lang = "ja"
)

// Pick returns the language that asked names ("ja", "en"), or that of the locale in the environment.
// Anything else is English.
func Pick(asked string, getenv func(string) string) Lang {
	for _, s := range []string{asked, getenv("LC_ALL"), getenv("LC_MESSAGES"), getenv("LANG")} {
		if s == "" {
			continue
		}
		if s == "ja" || strings.HasPrefix(s, "ja_") || strings.HasPrefix(s, "ja.") {
			return Japanese
		}
		return English
	}
	return English
}

// Catalogue is the texts of one language. It may be used from several goroutines.
type Catalogue struct {
	Lang   Lang
	texts  map[string]string
	faults map[string]string
}

// In returns the texts of a language.
func In(l Lang) *Catalogue {
	if l == Japanese {
		return &Catalogue{Lang: l, texts: japanese(), faults: japaneseFaults()}
	}
	return &Catalogue{Lang: English, texts: english()}
}

// Say returns the text of a key with its arguments put in, as fmt.Sprintf does. A key that is not in
// the catalogue is returned as it is: a test of this package finds those.
func (c *Catalogue) Say(key string, args ...any) string {
	s, ok := c.texts[key]
	if !ok {
		s = key
	}
	if len(args) == 0 {
		return s
	}
	return fmt.Sprintf(s, args...)
}

// Has reports whether the catalogue has the key.
func (c *Catalogue) Has(key string) bool { _, ok := c.texts[key]; return ok }

// Headline returns what a fault's Reason is called in a language other than English. "" is no
// translation: the fault's own words serve.
func (c *Catalogue) Headline(reason string) string { return c.faults[reason] }

// Keys returns every key, sorted.
func (c *Catalogue) Keys() []string { return slices.Sorted(maps.Keys(c.texts)) }

// Headlines returns every Reason that has a name, sorted.
func (c *Catalogue) Headlines() []string { return slices.Sorted(maps.Keys(c.faults)) }
