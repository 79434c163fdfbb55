package sshvm

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// What a machine must have.
const (
	minDisk   = 256 << 20 // bytes free below the work directory
	minInodes = 1000
	maxSkew   = time.Minute
)

// required makes the checks without which nothing can be done on the machine.
func (l *look) required(f facts) error {
	system := driver.Check{Name: "system", Required: true, Duration: f.took["system"], Evidence: say(f.one["os"], f.one["kernel"]+" "+f.one["release"]+" "+f.one["arch"])}
	if err := l.step(system, checkSystem(f)); err != nil {
		return err
	}
	home := driver.Check{Name: "home", Required: true, Duration: f.took["home"], Evidence: say(f.one["home"])}
	if err := l.step(home, checkHome(f)); err != nil {
		return err
	}
	evidence := say(f.one["work"], f.one["work.type"])
	if sharedType(f.one["work.type"]) {
		evidence = append(evidence, "shared with other machines")
	}
	return l.step(driver.Check{Name: "work-directory", Required: true, Duration: f.took["work"], Evidence: evidence}, checkWork(f))
}

// others makes the checks of what runs, or some of them, need.
func (l *look) others(f facts) {
	for _, c := range []struct {
		check driver.Check
		err   error
		blunt bool // without it no run can be taken
	}{
		{driver.Check{Name: "disk", Duration: f.took["disk"], Evidence: say(sizeText(f.number("disk")<<10) + " free")}, checkDisk(f), true},
		{driver.Check{Name: "clock", Evidence: clockText(f)}, checkClock(f), false},
		{driver.Check{Name: "lingering", Duration: f.took["lingering"], Evidence: say(lingeringText(f))}, checkLingering(f), false},
		{driver.Check{Name: "python", Duration: f.took["python"], Evidence: orNone(f.many["python"])}, checkPython(f), false},
		{driver.Check{Name: "uv", Evidence: orNone(f.many["tool"])}, checkTools(f), false},
		{driver.Check{Name: "docker", Duration: f.took["devices"], Evidence: orNone(say(f.one["docker"]))}, checkDocker(f), false},
		{driver.Check{Name: "gpus", Duration: f.took["devices"], Evidence: orNone(f.many["gpu"])}, checkGPUs(f), false},
	} {
		err := l.step(c.check, c.err)
		if e := fault.From(err); e != nil && c.blunt && l.reason == "" {
			l.reason, l.message = e.Reason, e.Why
		}
	}
}

// say returns the words that are there.
func say(words ...string) []string {
	return slices.DeleteFunc(words, func(w string) bool { return strings.TrimSpace(w) == "" })
}

func checkSystem(f facts) error {
	switch {
	case f.one["kernel"] != "Linux":
		return &fault.Error{
			Code: fault.Unsupported, Reason: "SystemUnsupported", What: "the machine cannot be used",
			Why: "it runs " + strconv.Quote(f.one["kernel"]) + ", not Linux", Fix: "attach a machine with Linux",
		}
	case !slices.Contains([]string{"x86_64", "amd64", "aarch64", "arm64"}, f.one["arch"]):
		return &fault.Error{
			Code: fault.Unsupported, Reason: "ArchitectureUnsupported", What: "the machine cannot be used",
			Why: fmt.Sprintf("its processor is a %q; runs need x86_64 or aarch64", f.one["arch"]), Fix: "attach a 64-bit x86 or ARM machine, with a 64-bit system",
		}
	case !f.has("boot"):
		return &fault.Error{
			Code: fault.Unsupported, Reason: "BootUnknown", What: "the machine cannot be used",
			Why: "/proc/sys/kernel/random/boot_id cannot be read there, so a restart could not be told", Fix: "mount /proc for this user",
		}
	}
	return nil
}

func checkHome(f facts) error {
	if f.has("home.is") {
		return nil
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "HomeMissing", What: "the machine cannot be used",
		Why: fmt.Sprintf("the home folder %q of user %s is not there", f.one["home"], f.one["user"]),
		Fix: "make it on that machine: sudo mkhomedir_helper " + f.one["user"],
	}
}

// checkWork says why runs cannot work in the work directory.
func checkWork(f facts) error {
	said := f.one["work.error"]
	const other = "detach the target, and attach it again with another --work-directory; run: zaffre compute detach NAME"
	switch {
	case f.has("work.noexec"):
		return workFault(f, fault.Precondition, "WorkDirectoryNoExec", "no program runs there: its file system is mounted noexec", other, f.one["work.noexec"])
	case said == "":
		return nil
	case strings.Contains(said, "Read-only"):
		return workFault(f, fault.Precondition, "WorkDirectoryReadOnly", "its file system is mounted read-only", other, said)
	case strings.Contains(said, "No space left"), strings.Contains(said, "quota exceeded"):
		return workFault(f, fault.Exhausted, "DiskFull", "no space is left there", "free space on that machine: df -h "+f.one["work.base"], said)
	case f.has("work.closed"):
		return workFault(f, fault.Precondition, "WorkDirectoryDenied", fmt.Sprintf("user %s may not enter %s", f.one["user"], f.one["work.base"]), other, said)
	case strings.Contains(said, "ermission denied"), strings.Contains(said, "not permitted"):
		return workFault(f, fault.Precondition, "WorkDirectoryDenied", fmt.Sprintf("user %s may not write in %s", f.one["user"], f.one["work.base"]),
			fmt.Sprintf("give it to the user on that machine: sudo install -d -o %s %s; or choose another --work-directory", f.one["user"], f.one["work"]), said)
	case strings.Contains(said, "not a folder"):
		return workFault(f, fault.Precondition, "WorkDirectoryNotFolder", said, other, said)
	}
	return workFault(f, fault.Precondition, "WorkDirectoryUnusable", "it cannot be written", other, said)
}

func workFault(f facts, code fault.Code, reason, why, fix, said string) error {
	return &fault.Error{
		Code: code, Reason: reason, What: fmt.Sprintf("the work directory %q cannot be used", f.one["work"]),
		Why: why, Fix: fix, Evidence: say(said),
	}
}

// sharedType reports whether a file system of a type is one that several machines may have.
func sharedType(t string) bool {
	for _, s := range []string{"nfs", "smb", "cifs", "fuse.sshfs", "lustre", "ceph", "gpfs", "beegfs", "afs", "9p", "v9fs"} {
		if strings.HasPrefix(t, s) {
			return true
		}
	}
	return false
}

func checkDisk(f facts) error {
	free, inodes := f.number("disk")<<10, f.one["inodes"]
	why := ""
	if f.has("disk") && free < minDisk {
		why = fmt.Sprintf("the disk of %q has only %s free", f.one["work.base"], sizeText(free))
	}
	// Some file systems have no table of inodes, and say 0 of 0.
	if total, left, ok := strings.Cut(inodes, " "); ok && total != "0" && total != "-" {
		if n, err := strconv.ParseInt(left, 10, 64); err == nil && n < minInodes {
			why = fmt.Sprintf("the disk of %q can take only %d more files (inodes)", f.one["work.base"], n)
		}
	}
	if why == "" {
		return nil
	}
	return &fault.Error{
		Code: fault.Exhausted, Reason: "DiskFull", What: "the target takes no runs", Why: why,
		Fix: "free space there, or attach it with another --work-directory",
	}
}

func checkClock(f facts) error {
	if f.clock.Abs() < maxSkew {
		return nil
	}
	way := "ahead of"
	if f.clock < 0 {
		way = "behind"
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "ClockSkewed", What: "the target's clock is wrong",
		Why: fmt.Sprintf("it is %s %s the server's", f.clock.Abs().Round(time.Second), way), Fix: "set both by NTP; on that machine: sudo timedatectl set-ntp true",
	}
}

func clockText(f facts) []string {
	at, ok := parseTime(f.one["time"])
	if !ok {
		return []string{"not told"}
	}
	return []string{at.UTC().Format(time.RFC3339)}
}

func lingeringText(f facts) string {
	switch {
	case !f.has("systemd"):
		return "no systemd"
	case f.has("lingering.on"):
		return "the user lingers"
	case !f.has("lingering.kill"):
		return "KillUserProcesses is not set"
	}
	return "KillUserProcesses: " + strings.TrimSpace(f.one["lingering.kill"])
}

func checkLingering(f facts) error {
	kill := strings.ToLower(strings.TrimPrefix(strings.TrimSpace(f.one["lingering.kill"]), "b "))
	if f.has("lingering.on") || !slices.Contains([]string{"yes", "true", "on", "1"}, kill) {
		return nil
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "LeftoversKilled", What: "runs would die when we disconnect",
		Why: "logind kills what a user leaves running at logout (KillUserProcesses=yes)",
		Fix: "allow it for this user; on that machine: sudo loginctl enable-linger " + f.one["user"],
	}
}

func checkPython(f facts) error {
	if len(f.many["python"]) > 0 {
		return nil
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "PythonMissing", What: "the target has no Python",
		Why: "the user finds no python3 there", Fix: "install it on that machine: sudo apt-get install python3; or uv, which brings its own",
	}
}

func checkTools(f facts) error {
	if len(f.many["tool"]) > 0 || checkPython(f) == nil {
		return nil
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "UvMissing", What: "the target can build no environments",
		Why: "it has neither uv nor conda, nor a Python to install uv with", Fix: "install uv or python3 there",
	}
}

func checkDocker(f facts) error {
	said := strings.TrimSpace(f.one["docker.error"])
	if said == "" {
		return nil
	}
	reason, why, fix := "DockerUnusable", "docker is installed, but does not answer", "start it on that machine: sudo systemctl start docker"
	if f.has("docker.sudo") || strings.Contains(said, "ermission denied") {
		reason, why, fix = "DockerDenied", "docker works there only for root", "let this user use it; on that machine: sudo usermod -aG docker "+f.one["user"]
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: reason, What: "runs with Docker cannot be taken", Why: why, Fix: fix, Evidence: []string{said},
	}
}

func checkGPUs(f facts) error {
	said := strings.TrimSpace(f.one["gpu.error"])
	if said == "" {
		return nil
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "GPUsUnreadable", What: "the target's GPUs cannot be used",
		Why: "nvidia-smi fails there", Fix: "repair the NVIDIA driver, for example by a restart", Evidence: []string{said},
	}
}

func orNone(list []string) []string {
	if len(list) == 0 {
		return []string{"none"}
	}
	return list
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
