// Package rig runs the real binary for the measurements of test/bench and the kills of test/chaos:
// it builds it, starts and kills its server, and reads what the kernel knows of its processes.
package rig

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Root returns the root of the module that the working folder belongs to.
func Root() (string, error) {
	dir, err := os.Getwd()
	for err == nil {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			break
		}
		dir = filepath.Dir(dir)
	}
	return "", fmt.Errorf("no go.mod above the working folder: %v", err)
}

// Build builds the binary as a release has it, and its agents where the Makefile makes them, and
// returns its path.
func Build(ctx context.Context, root string) (string, error) {
	cmd := exec.CommandContext(ctx, "make", "-s", "build")
	cmd.Dir, cmd.Stdout, cmd.Stderr = root, os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("make build: %w", err)
	}
	for _, name := range []string{"bin/zaffre", "zaffre"} {
		if info, err := os.Stat(filepath.Join(root, name)); err == nil && info.Mode().IsRegular() {
			return filepath.Join(root, name), nil
		}
	}
	return "", fmt.Errorf("make build left no binary in %s", root)
}

// Scratch makes a folder that other users may enter: a run may have another user than the server.
func Scratch(name string) (string, error) {
	dir, err := os.MkdirTemp("", name+"-")
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755)
}

// Cache returns a folder for what is worth keeping between starts.
func Cache() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir = filepath.Join(dir, "zaffre-bench")
	return dir, os.MkdirAll(dir, 0o755)
}

// Port returns a port on loopback that is free, and that the kernel gives to nobody who asks for any:
// a server can come back to it.
func Port() (int, error) {
	const low, high = 20000, 30000 // below Linux' range for outgoing connections
	var err error
	for range 100 {
		port := low + rand.IntN(high-low)
		var l net.Listener
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			return port, l.Close()
		}
	}
	return 0, err
}

// Python returns the real interpreter behind a name, not a shim that looks for one.
func Python(ctx context.Context, name string) (string, error) {
	out, err := exec.CommandContext(ctx, name, "-c", "import os,sys; print(os.path.realpath(sys.executable))").Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// Percentile returns the p-th percentile of the samples by the nearest rank; 0 of none.
func Percentile(samples []time.Duration, p float64) time.Duration {
	if len(samples) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(samples))
	rank := int(p/100*float64(len(s))+0.999999) - 1
	return s[min(max(rank, 0), len(s)-1)]
}
