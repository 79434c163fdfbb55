package frame

import "io"

// The colours in use: SGR codes.
const (
	bold   = "1"
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
)

// paint colours s for a terminal, unless $NO_COLOR is set (https://no-color.org).
func (a *App) paint(w io.Writer, code, s string) string {
	if code == "" || a.Getenv("NO_COLOR") != "" || a.Getenv("TERM") == "dumb" || !IsTerminal(w) {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// stateColor is the colour of a state's name.
func stateColor(state string) string {
	switch state {
	case "Completed", "Succeeded", "done":
		return green
	case "Failed", "failed":
		return red
	case "Canceled", "CancelRequested", "Deleting":
		return yellow
	case "Running", "Finalizing", "running":
		return cyan
	}
	return ""
}

// State returns a state's name, coloured for Stderr.
func (a *App) State(state string) string { return a.paint(a.Stderr, stateColor(state), state) }
