package cli

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/internal/cli/frame"
	"github.com/zaffre-ml/zaffre/internal/cli/text"
)

var update = flag.Bool("update", false, "write the reference pages anew")

// TestReference checks that docs/reference/cli says what the commands say.
func TestReference(t *testing.T) {
	for lang, dir := range map[text.Lang]string{text.English: "../../docs/reference/cli", text.Japanese: "../../docs/reference/cli/ja"} {
		pages := pagesOf(lang)
		if *update {
			writePages(t, dir, pages)
		}
		for name, want := range pages {
			got, err := os.ReadFile(filepath.Join(dir, name))
			if diff := cmp.Diff(want, string(got)); err != nil || diff != "" {
				t.Errorf("%s is stale: %v; run: go test ./internal/cli -run Reference -update\n(-source +page):\n%s", name, err, diff)
			}
		}
		found, err := filepath.Glob(filepath.Join(dir, "*.md"))
		if err != nil || len(found) != len(pages) {
			t.Errorf("%s has %d pages, want %d (%v)", dir, len(found), len(pages), err)
		}
	}
}

func writePages(t *testing.T, dir string, pages map[string]string) {
	t.Helper()
	old, err := filepath.Glob(filepath.Join(dir, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range old {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, page := range pages {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// pagesOf returns a page for each noun, and README.md for what has no verbs.
func pagesOf(lang text.Lang) map[string]string {
	getenv := func(string) string { return "" }
	a := &frame.App{Stdout: io.Discard, Stderr: io.Discard, Getenv: getenv, Text: text.In(lang)}
	root := newRoot(a, Env{})
	const head = "<!-- Made from the source by: go test ./internal/cli -run Reference -update. Do not edit. -->\n"
	index := head + section(root, "#")
	pages := map[string]string{}
	for _, c := range root.Commands() {
		if !c.IsAvailableCommand() {
			continue
		}
		if !c.HasSubCommands() {
			index += section(c, "##")
			continue
		}
		page := head + section(c, "#")
		for _, verb := range c.Commands() {
			page += section(verb, "##")
		}
		pages[c.Name()+".md"] = page
		index += fmt.Sprintf("## zaffre %s\n\n%s: [%s.md](%s.md)\n\n", c.Name(), c.Short, c.Name(), c.Name())
	}
	pages["README.md"] = index
	return pages
}

func section(c *cobra.Command, level string) string {
	var help bytes.Buffer
	c.SetOut(&help)
	_ = c.Usage()
	return fmt.Sprintf("%s %s\n\n%s\n\n```\n%s\n```\n\n", level, c.CommandPath(), c.Long, strings.TrimSpace(help.String()))
}
