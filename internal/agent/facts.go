package agent

import (
	"context"
	"os"
	"os/exec"
	"os/user"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/zaffre-ml/zaffre/internal/agent/envbuild"
	"github.com/zaffre-ml/zaffre/internal/agent/wire"
)

// toolLimit bounds how long a program that is asked for facts may take.
const toolLimit = 10 * time.Second

// facts reads what the machine is.
func (s *server) facts(q wire.FactsRequest) (wire.Facts, error) {
	f := wire.Facts{
		OS: runtime.GOOS, Arch: runtime.GOARCH, BootID: s.boot, MachineID: machineID(), User: userName(),
		CPUs: runtime.NumCPU(), Memory: memoryTotal(), Root: s.root, Time: time.Now().UTC(),
	}
	f.Hostname, _ = os.Hostname()
	f.GPUs, f.GPUError = gpus()
	f.Default = s.python()
	f.Pythons = envbuild.Interpreters(context.Background(), s.root, q.Interpreters)
	f.UV = envbuild.FindUV(s.root)
	s.rootFacts(&f)
	return f, nil
}

// rootFacts tries the agent's own folder.
func (s *server) rootFacts(f *wire.Facts) {
	var st unix.Statfs_t
	if err := unix.Statfs(s.root, &st); err != nil {
		f.RootError = err.Error()
		return
	}
	f.DiskFree = int64(st.Bavail) * st.Bsize
	f.NoExec = st.Flags&unix.ST_NOEXEC != 0
	probe, err := os.CreateTemp(s.root, "probe-")
	if err != nil {
		f.RootError = err.Error()
		return
	}
	probe.Close()
	_ = os.Remove(probe.Name())
}

func machineID() string {
	for _, name := range []string{"/etc/machine-id", "/var/lib/dbus/machine-id"} {
		if b, err := os.ReadFile(name); err == nil && len(strings.TrimSpace(string(b))) > 0 {
			return strings.TrimSpace(string(b))
		}
	}
	return ""
}

func userName() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return strconv.Itoa(os.Getuid())
}

// memoryTotal returns the memory of the machine, or of our control group if that has less.
func memoryTotal() int64 {
	total := int64(0)
	b, _ := os.ReadFile("/proc/meminfo")
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "MemTotal:"); ok {
			kb, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			total = kb << 10
		}
	}
	for _, name := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		b, _ := os.ReadFile(name)
		if n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err == nil && n > 0 && n < total {
			total = n
		}
	}
	return total
}

// gpus asks the NVIDIA driver's own tool. No tool is no GPU.
func gpus() (list []wire.GPU, problem string) {
	tool, err := exec.LookPath("nvidia-smi")
	if err != nil {
		return nil, ""
	}
	ctx, cancel := context.WithTimeout(context.Background(), toolLimit)
	defer cancel()
	out, err := exec.CommandContext(ctx, tool,
		"--query-gpu=index,uuid,name,memory.total,driver_version", "--format=csv,noheader,nounits").CombinedOutput()
	if err != nil {
		return nil, strings.TrimSpace(string(out[:min(len(out), 500)])) + " (" + err.Error() + ")"
	}
	return parseGPUs(string(out)), ""
}

func parseGPUs(csv string) (list []wire.GPU) {
	for line := range strings.Lines(csv) {
		f := strings.Split(strings.TrimSpace(line), ", ")
		if len(f) != 5 {
			continue
		}
		index, err := strconv.Atoi(f[0])
		if err != nil {
			continue
		}
		mb, _ := strconv.ParseInt(f[3], 10, 64)
		list = append(list, wire.GPU{Index: index, UUID: f[1], Name: f[2], Memory: mb << 20, Driver: f[4]})
	}
	return list
}
