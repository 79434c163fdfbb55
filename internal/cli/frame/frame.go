// Package frame is what all commands of the CLI share: the terminal, the texts, the connection to
// the server, output formats, and how errors are told.
package frame

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"

	"golang.org/x/term"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/text"
)

// Version is how the binary names itself.
type Version struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	Go      string `json:"go"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
}

// App is one call of the CLI. Stdout is data; talk goes to Stderr.
type App struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Getenv         func(string) string
	Text           *text.Catalogue

	// Of the flags that all commands have.
	Output    string // table, json, yaml, name
	Data      string // the server's data folder
	Workspace string

	session *Session
}

// Session is a connection to a server, and the workspace that is meant.
type Session struct {
	*client.Client
	WS      string
	Profile client.Profile
}

// Say returns a text of the catalogue.
func (a *App) Say(key string, args ...any) string { return a.Text.Say(key, args...) }

// Talk writes a line to Stderr.
func (a *App) Talk(key string, args ...any) { fmt.Fprintln(a.Stderr, a.Say(key, args...)) }

// Next tells the next command, as the last line of long work.
func (a *App) Next(command string) {
	fmt.Fprintln(a.Stderr, a.Say("talk.next", a.paint(a.Stderr, bold, command)))
}

// Connect returns the session: the server whose data folder was named, or the one of $ZAFFRE_URL, or
// the one logged in to, or the one of the default data folder.
func (a *App) Connect() (*Session, error) {
	if a.session != nil {
		return a.session, nil
	}
	p, err := a.Profile()
	if err != nil {
		return nil, err
	}
	cfg, err := p.Config()
	if err != nil {
		return nil, err
	}
	cfg.Agent = "zaffre-cli"
	c, err := client.New(cfg)
	if err != nil {
		return nil, err
	}
	a.session = &Session{Client: c, WS: a.workspaceOf(p), Profile: p}
	return a.session, nil
}

func (a *App) workspaceOf(p client.Profile) string {
	for _, ws := range []string{a.Workspace, a.Getenv("ZAFFRE_WORKSPACE"), p.Workspace} {
		if ws != "" {
			return ws
		}
	}
	return "default"
}

// Profile finds the server to talk to.
func (a *App) Profile() (client.Profile, error) {
	if a.Data != "" {
		return client.Load(a.Data)
	}
	if url := a.Getenv("ZAFFRE_URL"); url != "" {
		return client.Profile{URL: url, CA: a.Getenv("ZAFFRE_CA"), Token: a.Getenv("ZAFFRE_TOKEN"), Path: "$ZAFFRE_URL"}, nil
	}
	if a.Getenv("ZAFFRE_DATA") == "" {
		if p, err := client.LoadFile(client.LoginFile(a.Getenv)); client.CodeOf(err) != client.CodeNotFound {
			return p, err
		}
	}
	return client.Load(client.DataDir(a.Getenv))
}

// IsTerminal reports whether a stream is a terminal.
func IsTerminal(stream any) bool {
	if l, ok := stream.(*locked); ok {
		stream = l.w
	}
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// locked lets several goroutines talk.
type locked struct {
	mu sync.Mutex
	w  io.Writer
}

// Locked returns a writer that several goroutines may use.
func Locked(w io.Writer) io.Writer { return &locked{w: w} }

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// Width returns the columns of the terminal that Stdout is, and 0 where it is none.
func (a *App) Width() int {
	f, ok := a.Stdout.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	if n, err := strconv.Atoi(a.Getenv("COLUMNS")); err == nil && n > 0 {
		return n
	}
	w, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return w
}

// Collect reads at most limit entries of a list (0 is all), page by page.
func Collect[T any](ctx context.Context, limit int, page func(client.Cursor) (client.Page[T], error)) ([]T, error) {
	out := []T{}
	for v, err := range client.All(page) {
		if err != nil {
			return nil, err
		}
		if limit > 0 && len(out) == limit {
			return out, nil
		}
		out = append(out, v)
	}
	return out, nil
}
