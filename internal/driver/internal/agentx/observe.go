package agentx

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// What a machine must have.
const (
	minDisk   = 256 << 20 // bytes free below the agent's folder
	maxSkew   = time.Minute
	minMemory = 64 << 20 // bytes
)

// Wants is what the target's options say about its machine. Zero leaves it to the machine.
type Wants struct {
	Runs int  // at once
	GPUs *int // instead of those that the machine shows
}

// Observe looks at the machine through the agent. The checks are agent, work-directory, disk,
// memory, clock, python, uv and gpus, after those made before.
func (c *Conn) Observe(ctx context.Context, before []driver.Check, w Wants) (driver.Observation, error) {
	l := &look{checks: before}
	begin := time.Now()
	hello, err := c.Hello(ctx)
	l.add(driver.Check{Name: "agent", Required: true, Duration: time.Since(begin)}, err)
	if err != nil {
		return driver.Observation{Checks: l.checks, Observed: time.Now().UTC()}, err
	}
	begin = time.Now()
	f, err := c.Facts(ctx, c.Interpreters)
	l.took = time.Since(begin)
	if err != nil {
		return driver.Observation{Checks: l.checks, Observed: time.Now().UTC()}, err
	}
	err = l.all(f)
	o := driver.Observation{
		Exists: true, Ready: err == nil && l.reason == "", Reason: l.reason, Message: l.message,
		Identity: Identity(f), Checks: l.checks, Facts: factsOf(f, hello), Observed: time.Now().UTC(),
	}
	if f.MachineID != "" {
		o.Lasting = "machine/" + f.MachineID
	}
	o.Machines = []driver.Machine{machineOf(f, w)}
	return o, err
}

// Identity names a running machine: its boot, and its own ID, since containers share a boot.
func Identity(f wire.Facts) string {
	if f.MachineID == "" {
		return "host/" + f.BootID
	}
	return "host/" + f.BootID + "/" + f.MachineID
}

func machineOf(f wire.Facts, w Wants) driver.Machine {
	m := driver.Machine{
		Identity: Identity(f), Name: f.Hostname, Runs: w.Runs, GPUs: len(f.GPUs), CPU: float64(f.CPUs), Memory: f.Memory,
	}
	if m.Runs <= 0 {
		m.Runs = max(1, f.CPUs)
	}
	if w.GPUs != nil {
		m.GPUs = *w.GPUs
	}
	return m
}

func factsOf(f wire.Facts, h wire.Hello) map[string]string {
	facts := map[string]string{
		"os": f.OS, "arch": f.Arch, "hostname": f.Hostname, "user": f.User, "uid": strconv.Itoa(h.UID),
		"work-directory": f.Root, "cpus": strconv.Itoa(f.CPUs),
	}
	for i, g := range f.GPUs {
		facts["gpu."+strconv.Itoa(i)] = g.Name
		facts["gpu.driver"] = g.Driver
	}
	if f.Default.Path != "" {
		facts["python.version"], facts["python.path"] = f.Default.Version, f.Default.Path
	}
	if f.UV != "" {
		facts["uv"] = f.UV
	}
	return facts
}

// look collects checks, and the first reason why the machine is not ready.
type look struct {
	checks          []driver.Check
	took            time.Duration // of reading the facts, which is one question for all checks
	reason, message string
}

// add notes a check; err is why it failed, a fault.
func (l *look) add(c driver.Check, err error) {
	c.OK = err == nil
	if e := fault.From(err); e != nil {
		c.Reason, c.Fix = e.Reason, e.Fix
		c.Evidence = append(c.Evidence, e.Why)
		c.Evidence = append(c.Evidence, e.Evidence...)
	}
	l.checks = append(l.checks, c)
}

// all makes the checks that the facts answer. The error is that of the required one.
func (l *look) all(f wire.Facts) error {
	root := checkRoot(f)
	l.add(driver.Check{Name: "work-directory", Required: true, Duration: l.took, Evidence: []string{f.Root}}, root)
	for _, c := range []struct {
		name  string
		err   error
		blunt bool // without it no job can run
		say   string
	}{
		{"disk", checkDisk(f), true, sizeText(f.DiskFree) + " free"},
		{"memory", checkMemory(f), true, sizeText(f.Memory)},
		{"clock", checkClock(f), false, f.Time.Format(time.RFC3339)},
		{"python", checkPython(f), false, pythonText(f)},
		{"uv", checkUV(f), false, f.UV},
		{"gpus", checkGPUs(f), false, strconv.Itoa(len(f.GPUs)) + " GPUs"},
	} {
		check := driver.Check{Name: c.name}
		if c.say != "" {
			check.Evidence = []string{c.say}
		}
		l.add(check, c.err)
		if c.err != nil && c.blunt && l.reason == "" {
			e := fault.From(c.err)
			l.reason, l.message = e.Reason, e.Why
		}
	}
	return root
}

func checkRoot(f wire.Facts) error {
	why := ""
	switch {
	case f.RootError != "":
		why = "it cannot be written: " + f.RootError
	case f.NoExec:
		why = "its file system is mounted noexec"
	default:
		return nil
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "WorkDirectoryUnusable", What: "the target's folder " + strconv.Quote(f.Root) + " cannot be used",
		Why: why, Fix: "choose another folder with the option workDirectory",
	}
}

func checkDisk(f wire.Facts) error {
	if f.DiskFree >= minDisk {
		return nil
	}
	return &fault.Error{
		Code: fault.Exhausted, Reason: "DiskFull", What: "the target takes no jobs",
		Why: fmt.Sprintf("the disk of %q has only %s free", f.Root, sizeText(f.DiskFree)),
		Fix: "free space there, or choose another folder with the option workDirectory",
	}
}

func checkMemory(f wire.Facts) error {
	if f.Memory >= minMemory {
		return nil
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "MemoryTooSmall", What: "the target takes no jobs",
		Why: "the machine has only " + sizeText(f.Memory) + " of memory", Fix: "give it more memory",
	}
}

func checkClock(f wire.Facts) error {
	skew := time.Since(f.Time).Abs()
	if skew < maxSkew {
		return nil
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "ClockSkewed", What: "the target's clock is wrong",
		Why: "it differs from the server's by " + skew.Round(time.Second).String(), Fix: "set the clocks of both by NTP",
	}
}

func checkPython(f wire.Facts) error {
	if f.Default.Path != "" || len(f.Pythons) > 0 {
		return nil
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "PythonMissing", What: "the target has no Python",
		Why: "the user that runs the code finds no python3", Fix: "install python3, or name its folder with the option interpreters",
	}
}

func checkUV(f wire.Facts) error {
	if f.UV != "" || checkPython(f) == nil {
		return nil // without it the first build installs it with pip
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "UvMissing", What: "the target can build no environments",
		Why: "it has neither uv nor a Python to install it with", Fix: "install uv or python3 there",
	}
}

func checkGPUs(f wire.Facts) error {
	if f.GPUError == "" {
		return nil
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "GPUsUnreadable", What: "the target's GPUs cannot be used",
		Why: "nvidia-smi fails there", Fix: "repair the NVIDIA driver, for example by a restart", Evidence: []string{f.GPUError},
	}
}

func pythonText(f wire.Facts) string {
	text := ""
	for _, p := range f.Pythons {
		if text != "" {
			text += ", "
		}
		text += p.Version + " (" + p.Path + ")"
	}
	return text
}

func sizeText(n int64) string {
	switch {
	case n >= 1<<30:
		return strconv.FormatFloat(float64(n)/(1<<30), 'f', 1, 64) + " GiB"
	case n >= 1<<20:
		return strconv.FormatInt(n>>20, 10) + " MiB"
	}
	return strconv.FormatInt(n, 10) + " bytes"
}
