package frame

import (
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
)

// CacheDir is where the CLI may keep what it can make again: zaffre in $XDG_CACHE_HOME, or else in
// ~/.cache.
func (a *App) CacheDir() string {
	if dir := a.Getenv("XDG_CACHE_HOME"); dir != "" {
		return filepath.Join(dir, "zaffre")
	}
	return filepath.Join(a.Getenv("HOME"), ".cache", "zaffre")
}

// HashCache is the file that remembers the hashes of a folder's files; "" where the folder has no
// absolute path.
func (a *App) HashCache(dir string) string {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256([]byte(abs))
	return filepath.Join(a.CacheDir(), "hashes", hex.EncodeToString(sum[:16])+".json")
}
