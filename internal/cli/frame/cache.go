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
