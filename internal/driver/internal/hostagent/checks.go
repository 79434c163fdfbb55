package hostagent

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
func (l *Look) required(f Facts) error {
	system := driver.Check{Name: "system", Required: true, Duration: f.took["system"], Evidence: Say(f.One["os"], f.One["kernel"]+" "+f.One["release"]+" "+f.One["arch"])}
	if err := l.Step(system, checkSystem(f)); err != nil {
		return err
	}
	home := driver.Check{Name: "home", Required: true, Duration: f.took["home"], Evidence: Say(f.One["home"])}
	if err := l.Step(home, checkHome(f)); err != nil {
		return err
	}
	evidence := Say(f.One["work"], f.One["work.type"])
	if sharedType(f.One["work.type"]) {
		evidence = append(evidence, "shared with other machines")
	}
	return l.Step(driver.Check{Name: "work-directory", Required: true, Duration: f.took["work"], Evidence: evidence}, checkWork(f))
}

// Others makes the named ones of the checks of what runs, or some of them, need: disk, clock, lingering, python,
// uv, docker and gpus.
func (l *Look) Others(names ...string) {
	f := l.Facts
	for _, c := range []struct {
		check driver.Check
		err   error
		blunt bool // without it no run can be taken
	}{
		{driver.Check{Name: "disk", Duration: f.took["disk"], Evidence: Say(sizeText(f.Number("disk")<<10) + " free")}, checkDisk(f), true},
		{driver.Check{Name: "clock", Evidence: clockText(f)}, checkClock(f), false},
		{driver.Check{Name: "lingering", Duration: f.took["lingering"], Evidence: Say(lingeringText(f))}, checkLingering(f), false},
		{driver.Check{Name: "python", Duration: f.took["python"], Evidence: OrNone(f.Many["python"])}, checkPython(f), false},
		{driver.Check{Name: "uv", Evidence: OrNone(f.Many["tool"])}, checkTools(f), false},
		{driver.Check{Name: "docker", Duration: f.took["devices"], Evidence: OrNone(Say(f.One["docker"]))}, checkDocker(f), false},
		{driver.Check{Name: "gpus", Duration: f.took["devices"], Evidence: OrNone(f.Many["gpu"])}, checkGPUs(f), false},
	} {
		if !slices.Contains(names, c.check.Name) {
			continue
		}
		err := l.Step(c.check, c.err)
		if e := fault.From(err); e != nil && c.blunt && l.Reason == "" {
			l.Reason, l.Message = e.Reason, e.Why
		}
	}
}

// Say returns the words that are there.
func Say(words ...string) []string {
	return slices.DeleteFunc(words, func(w string) bool { return strings.TrimSpace(w) == "" })
}

func checkSystem(f Facts) error {
	switch {
	case f.One["kernel"] != "Linux":
		return &fault.Error{
			Code: fault.Unsupported, Reason: "SystemUnsupported", What: "the machine cannot be used",
			Why: "it runs " + strconv.Quote(f.One["kernel"]) + ", not Linux", Fix: "attach a machine with Linux",
		}
	case !slices.Contains([]string{"x86_64", "amd64", "aarch64", "arm64"}, f.One["arch"]):
		return &fault.Error{
			Code: fault.Unsupported, Reason: "ArchitectureUnsupported", What: "the machine cannot be used",
			Why: fmt.Sprintf("its processor is a %q; runs need x86_64 or aarch64", f.One["arch"]), Fix: "attach a 64-bit x86 or ARM machine, with a 64-bit system",
		}
	case !f.Has("boot"):
		return &fault.Error{
			Code: fault.Unsupported, Reason: "BootUnknown", What: "the machine cannot be used",
			Why: "/proc/sys/kernel/random/boot_id cannot be read there, so a restart could not be told", Fix: "mount /proc for this user",
		}
	}
	return nil
}

func checkHome(f Facts) error {
	if f.Has("home.is") {
		return nil
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "HomeMissing", What: "the machine cannot be used",
		Why: fmt.Sprintf("the home folder %q of user %s is not there", f.One["home"], f.One["user"]),
		Fix: "make it on that machine: sudo mkhomedir_helper " + f.One["user"],
	}
}

// checkWork says why runs cannot work in the work directory.
func checkWork(f Facts) error {
	said := f.One["work.error"]
	const other = "detach the target, and attach it again with another --work-directory; run: zaffre compute detach NAME"
	switch {
	case f.Has("work.noexec"):
		return workFault(f, fault.Precondition, "WorkDirectoryNoExec", "no program runs there: its file system is mounted noexec", other, f.One["work.noexec"])
	case said == "":
		return nil
	case strings.Contains(said, "Read-only"):
		return workFault(f, fault.Precondition, "WorkDirectoryReadOnly", "its file system is mounted read-only", other, said)
	case strings.Contains(said, "No space left"), strings.Contains(said, "quota exceeded"):
		return workFault(f, fault.Exhausted, "DiskFull", "no space is left there", "free space on that machine: df -h "+f.One["work.base"], said)
	case f.Has("work.closed"):
		return workFault(f, fault.Precondition, "WorkDirectoryDenied", fmt.Sprintf("user %s may not enter %s", f.One["user"], f.One["work.base"]), other, said)
	case strings.Contains(said, "ermission denied"), strings.Contains(said, "not permitted"):
		return workFault(f, fault.Precondition, "WorkDirectoryDenied", fmt.Sprintf("user %s may not write in %s", f.One["user"], f.One["work.base"]),
			fmt.Sprintf("give it to the user on that machine: sudo install -d -o %s %s; or choose another --work-directory", f.One["user"], f.One["work"]), said)
	case strings.Contains(said, "not a folder"):
		return workFault(f, fault.Precondition, "WorkDirectoryNotFolder", said, other, said)
	}
	return workFault(f, fault.Precondition, "WorkDirectoryUnusable", "it cannot be written", other, said)
}

func workFault(f Facts, code fault.Code, reason, why, fix, said string) error {
	return &fault.Error{
		Code: code, Reason: reason, What: fmt.Sprintf("the work directory %q cannot be used", f.One["work"]),
		Why: why, Fix: fix, Evidence: Say(said),
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

func checkDisk(f Facts) error {
	free, inodes := f.Number("disk")<<10, f.One["inodes"]
	why := ""
	if f.Has("disk") && free < minDisk {
		why = fmt.Sprintf("the disk of %q has only %s free", f.One["work.base"], sizeText(free))
	}
	// Some file systems have no table of inodes, and say 0 of 0.
	if total, left, ok := strings.Cut(inodes, " "); ok && total != "0" && total != "-" {
		if n, err := strconv.ParseInt(left, 10, 64); err == nil && n < minInodes {
			why = fmt.Sprintf("the disk of %q can take only %d more files (inodes)", f.One["work.base"], n)
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

func checkClock(f Facts) error {
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

func clockText(f Facts) []string {
	at, ok := parseTime(f.One["time"])
	if !ok {
		return []string{"not told"}
	}
	return []string{at.UTC().Format(time.RFC3339)}
}

func lingeringText(f Facts) string {
	switch {
	case !f.Has("systemd"):
		return "no systemd"
	case f.Has("lingering.on"):
		return "the user lingers"
	case !f.Has("lingering.kill"):
		return "KillUserProcesses is not set"
	}
	return "KillUserProcesses: " + strings.TrimSpace(f.One["lingering.kill"])
}

func checkLingering(f Facts) error {
	kill := strings.ToLower(strings.TrimPrefix(strings.TrimSpace(f.One["lingering.kill"]), "b "))
	if f.Has("lingering.on") || !slices.Contains([]string{"yes", "true", "on", "1"}, kill) {
		return nil
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "LeftoversKilled", What: "runs would die when we disconnect",
		Why: "logind kills what a user leaves running at logout (KillUserProcesses=yes)",
		Fix: "allow it for this user; on that machine: sudo loginctl enable-linger " + f.One["user"],
	}
}

func checkPython(f Facts) error {
	if len(f.Many["python"]) > 0 {
		return nil
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "PythonMissing", What: "the target has no Python",
		Why: "the user finds no python3 there", Fix: "install it on that machine: sudo apt-get install python3; or uv, which brings its own",
	}
}

func checkTools(f Facts) error {
	if len(f.Many["tool"]) > 0 || checkPython(f) == nil {
		return nil
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "UvMissing", What: "the target can build no environments",
		Why: "it has neither uv nor conda, nor a Python to install uv with", Fix: "install uv or python3 there",
	}
}

func checkDocker(f Facts) error {
	said := strings.TrimSpace(f.One["docker.error"])
	if said == "" {
		return nil
	}
	reason, why, fix := "DockerUnusable", "docker is installed, but does not answer", "start it on that machine: sudo systemctl start docker"
	if f.Has("docker.sudo") || strings.Contains(said, "ermission denied") {
		reason, why, fix = "DockerDenied", "docker works there only for root", "let this user use it; on that machine: sudo usermod -aG docker "+f.One["user"]
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: reason, What: "runs with Docker cannot be taken", Why: why, Fix: fix, Evidence: []string{said},
	}
}

func checkGPUs(f Facts) error {
	said := strings.TrimSpace(f.One["gpu.error"])
	if said == "" {
		return nil
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "GPUsUnreadable", What: "the target's GPUs cannot be used",
		Why: "nvidia-smi fails there", Fix: "repair the NVIDIA driver, for example by a restart", Evidence: []string{said},
	}
}

// OrNone returns the list, or a word that says that it is empty.
func OrNone(list []string) []string {
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
