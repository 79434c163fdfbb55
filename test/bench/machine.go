package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/zaffre-ml/zaffre/test/rig"
)

// machine says in words where the figures come from.
func machine() string {
	model, mem := "", ""
	for line := range strings.Lines(read("/proc/cpuinfo")) {
		if name, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			model = strings.TrimSpace(v)
		}
	}
	if f := strings.Fields(read("/proc/meminfo")); len(f) > 1 {
		mem = f[1] + " kB of memory"
	}
	var u unix.Utsname
	_ = unix.Uname(&u)
	return fmt.Sprintf("%d cores (%s), %s, Linux %s, %s", runtime.NumCPU(), model, mem, unix.ByteSliceToString(u.Release[:]), runtime.Version())
}

func read(path string) string {
	b, _ := os.ReadFile(path)
	return string(b)
}

// fsyncs measures what it takes to make 4 KiB durable in a folder.
func fsyncs(dir string, n int) ([]time.Duration, error) {
	path := filepath.Join(dir, "fsync")
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	defer os.Remove(path)
	defer f.Close()
	block := make([]byte, 4096)
	var took []time.Duration
	for range n {
		began := time.Now()
		if _, err := f.Write(block); err != nil {
			return nil, err
		}
		if err := f.Sync(); err != nil {
			return nil, err
		}
		took = append(took, time.Since(began))
	}
	return took, nil
}

func fsyncNote(dir string) string {
	took, err := fsyncs(dir, 200)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("fsync of 4 KiB on this disk: %s, p99 %s", ms(middle(took)), ms(rig.Percentile(took, 99)))
}
