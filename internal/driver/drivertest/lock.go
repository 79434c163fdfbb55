package drivertest

import (
	"os"
	"testing"
)

// Share waits until nobody takes away a part of an engine that the tests of several packages use, and keeps that so
// until the test ends. The file is the engine's lock; "": it has none.
func Share(t testing.TB, file string) {
	t.Helper()
	lock(t, file, shared)
}

// Alone waits until no other test uses an engine, and keeps that so until the test ends. What the test takes away is
// to be given back by a clean-up of its own.
func Alone(t testing.TB, file string) {
	t.Helper()
	lock(t, file, alone)
}

func lock(t testing.TB, file string, how int) {
	t.Helper()
	if file == "" {
		return
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := flock(f, how); err != nil {
		t.Fatal(err)
	}
}
