package agent

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is what proc.json holds: a pid is reused, a pid with its start time and boot is not.
type process struct {
	PID     int       `json:"pid"`
	Start   uint64    `json:"start"` // ticks since boot
	BootID  string    `json:"boot_id"`
	Started time.Time `json:"started"`
}

// stat is the part of /proc/PID/stat that we use.
type stat struct {
	pid, parent, group, session int
	state                       byte
	start                       uint64
}

func bootID() string {
	b, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(b))
}

func readStat(pid int) (stat, bool) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return stat{}, false
	}
	return parseStat(pid, b)
}

// parseStat reads the fields behind the command's name, which may itself hold spaces and brackets.
func parseStat(pid int, b []byte) (stat, bool) {
	_, after, ok := bytes.Cut(b[max(0, bytes.LastIndexByte(b, ')')):], []byte(") "))
	f := bytes.Fields(after)
	if !ok || len(f) < 20 {
		return stat{}, false
	}
	num := func(i int) int { n, _ := strconv.Atoi(string(f[i])); return n }
	start, err := strconv.ParseUint(string(f[19]), 10, 64)
	return stat{pid: pid, state: f[0][0], parent: num(1), group: num(2), session: num(3), start: start}, err == nil
}

// alive reports whether p still runs. A zombie does not.
func (p process) alive() bool {
	if p.BootID != bootID() {
		return false
	}
	s, ok := readStat(p.PID)
	return ok && s.start == p.Start && s.state != 'Z' && s.state != 'X'
}

// members returns the processes of a job: leader, those in its session, and everything below them
// and below reaper. reaper 0 is none. A leader that was just forked has no session of its own yet.
func members(leader, reaper int) []stat {
	all := allStats()
	in := map[int]bool{}
	if reaper != 0 {
		in[reaper] = true
	}
	var found []stat
	for more := true; more; {
		more = false
		for _, s := range all {
			if in[s.pid] || !(s.pid == leader || s.session == leader || s.group == leader || in[s.parent]) {
				continue
			}
			in[s.pid], more = true, true
			if s.state != 'Z' && s.state != 'X' {
				found = append(found, s)
			}
		}
	}
	return found
}

func allStats() []stat {
	d, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	var all []stat
	for _, n := range names {
		if pid, err := strconv.Atoi(n); err == nil {
			if s, ok := readStat(pid); ok {
				all = append(all, s)
			}
		}
	}
	return all
}

// signalAll sends sig to each process of a job and reports how many there were.
func signalAll(leader, reaper int, sig syscall.Signal) int {
	all := members(leader, reaper)
	for _, s := range all {
		_ = syscall.Kill(s.pid, sig)
	}
	return len(all)
}
