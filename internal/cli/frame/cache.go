package frame

import "path/filepath"

// CacheDir is where the CLI may keep what it can make again: zaffre in $XDG_CACHE_HOME, or else in
// ~/.cache.
func (a *App) CacheDir() string {
	if dir := a.Getenv("XDG_CACHE_HOME"); dir != "" {
		return filepath.Join(dir, "zaffre")
	}
	return filepath.Join(a.Getenv("HOME"), ".cache", "zaffre")
}

// StateDir is where the CLI keeps what is the user's own and of no use elsewhere, such as what was typed: zaffre in
// $XDG_STATE_HOME, or else in ~/.local/state.
func (a *App) StateDir() string {
	if dir := a.Getenv("XDG_STATE_HOME"); dir != "" {
		return filepath.Join(dir, "zaffre")
	}
	return filepath.Join(a.Getenv("HOME"), ".local", "state", "zaffre")
}
