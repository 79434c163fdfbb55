package agent

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// memoryOf returns the bytes of memory that processes use. Where the quick sum is above limit it
// counts pages that they share only once: workers that were forked have most of theirs in common.
func memoryOf(all []stat, limit int64) int64 {
	var quick int64
	for _, s := range all {
		quick += residentSize(s.pid)
	}
	if quick <= limit {
		return quick
	}
	var exact int64
	for _, s := range all {
		n, ok := proportionalSize(s.pid)
		if !ok {
			n = residentSize(s.pid)
		}
		exact += n
	}
	return exact
}

func residentSize(pid int) int64 {
	b, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	f := bytes.Fields(b)
	if len(f) < 2 {
		return 0
	}
	n, _ := strconv.ParseInt(string(f[1]), 10, 64)
	return n * int64(os.Getpagesize())
}

func proportionalSize(pid int) (int64, bool) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/smaps_rollup")
	if err != nil {
		return 0, false
	}
	for line := range bytes.Lines(b) {
		if rest, ok := bytes.CutPrefix(line, []byte("Pss:")); ok {
			n, err := strconv.ParseInt(string(bytes.TrimSuffix(bytes.TrimSpace(rest), []byte(" kB"))), 10, 64)
			return n << 10, err == nil
		}
	}
	return 0, false
}

// oomKills returns how often the kernel has killed in our control group because of memory, or -1
// where it does not say.
func oomKills() int64 {
	b, _ := os.ReadFile("/proc/self/cgroup")
	for line := range strings.Lines(string(b)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) < 3 {
			continue
		}
		switch {
		case f[0] == "0" && f[1] == "":
			if n := counter("/sys/fs/cgroup", f[2], "memory.events"); n >= 0 {
				return n
			}
		case f[1] == "memory":
			if n := counter("/sys/fs/cgroup/memory", f[2], "memory.oom_control"); n >= 0 {
				return n
			}
		}
	}
	return -1
}

// counter reads "oom_kill N". Inside a container the group may stand at the mount's root.
func counter(mount, group, file string) int64 {
	for _, dir := range []string{filepath.Join(mount, group), mount} {
		b, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			if rest, ok := strings.CutPrefix(line, "oom_kill "); ok {
				if n, err := strconv.ParseInt(strings.TrimSpace(rest), 10, 64); err == nil {
					return n
				}
			}
		}
	}
	return -1
}
