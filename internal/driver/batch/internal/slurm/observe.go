package slurm

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/hostagent"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Observe implements driver.Conn. The checks are host, shell, system, home, work-directory, sbatch, controller,
// partition, disk, python and uv. There are no machines: Slurm places the runs.
func (c *Conn) Observe(ctx context.Context) (driver.Observation, error) {
	l := &hostagent.Look{}
	if err := c.checkHost(ctx, l); err != nil {
		return l.Seen(), err
	}
	if err := l.Machine(ctx, c.place); err != nil {
		return l.Seen(), err
	}
	begin := time.Now()
	a, err := c.slurm.ask(ctx, lookScript, c.defaults.partition)
	if err != nil {
		_ = l.Step(driver.Check{Name: "sbatch", Required: true, Duration: time.Since(begin)}, err)
		return l.Seen(), err
	}
	p := c.partition(a.Facts)
	for _, s := range []struct {
		name     string
		evidence []string
		err      error
	}{
		{"sbatch", hostagent.Say(a.One["sbatch"]), checkSbatch(a.Facts)},
		{"controller", hostagent.Say(a.One["ClusterName"], a.One["SlurmctldHost[0]"]), checkController(a.Facts)},
		{"partition", hostagent.Say(a.Many["partition"]...), p.check(a.Facts)},
	} {
		if err := l.Step(driver.Check{Name: s.name, Required: true, Duration: a.Took(s.name), Evidence: s.evidence}, s.err); err != nil {
			return l.Seen(), err
		}
	}
	l.Reason, l.Message = p.down()
	l.Others("disk", "python", "uv")
	return c.observation(l, a.Facts, p), nil
}

// checkHost asks the login node for anything: that it cannot be reached is not Slurm's fault.
func (c *Conn) checkHost(ctx context.Context, l *hostagent.Look) error {
	begin := time.Now()
	_, err := c.place.Host.Exec(ctx, []string{"true"}, driver.Stdio{})
	return l.Step(driver.Check{Name: "host", Required: true, Duration: time.Since(begin)}, err)
}

func (c *Conn) observation(l *hostagent.Look, f hostagent.Facts, p partition) driver.Observation {
	o := l.Seen()
	o.Exists, o.Ready, o.Reason, o.Message = true, l.Reason == "", l.Reason, l.Message
	o.Identity = "slurm/" + f.One["ClusterName"]
	o.Facts["slurm"], o.Facts["cluster"], o.Facts["partition"] = f.One["sbatch"], f.One["ClusterName"], p.name
	o.Facts["controller"], o.Facts["nodes"] = f.One["SlurmctldHost[0]"], p.nodes()
	if p.limit != "" {
		o.Facts["time-limit"] = p.limit
	}
	if p.gres != "" && p.gres != "(null)" {
		o.Facts["gres"] = p.gres
	}
	return o
}

func checkSbatch(f hostagent.Facts) error {
	switch {
	case f.Has("sbatch.missing"):
		return missingFault()
	case strings.Contains(f.One["sbatch.error"], "No such file"), strings.Contains(f.One["sbatch.error"], "configuration source"):
		return &fault.Error{
			Code: fault.Precondition, Reason: "SlurmUnconfigured", What: "the target cannot be used", Why: "Slurm on the login node finds no slurm.conf",
			Fix: "give its path; run: zaffre compute update NAME --slurm-conf FILE", Evidence: []string{f.One["sbatch.error"]},
		}
	case f.Has("sbatch.error"):
		return &fault.Error{
			Code: fault.Precondition, Reason: "SlurmUnusable", What: "the target cannot be used", Why: "sbatch does not run on the login node",
			Fix: "see what it says there, and repair it", Evidence: []string{f.One["sbatch.error"]},
		}
	case f.Has("nameless"):
		return namelessFault(f.One["nameless"])
	case f.Has("flock.missing"):
		return &fault.Error{
			Code: fault.Precondition, Reason: "FlockMissing", What: "the target cannot be used", Why: "there is no flock on the login node, by which a run is submitted once",
			Fix: "install util-linux there",
		}
	}
	return nil
}

func checkController(f hostagent.Facts) error {
	if f.Has("ClusterName") {
		return nil
	}
	return awayFault(strings.TrimSpace(f.One["controller.error"]))
}

// partition is what sinfo says of one, over all its lines.
type partition struct {
	name, limit, gres string
	up                bool
	count             map[string]int // nodes by their state
}

// partition finds the one that runs go to unless they say otherwise.
func (c *Conn) partition(f hostagent.Facts) partition {
	p := partition{name: c.defaults.partition, count: map[string]int{}}
	if p.name == "" {
		p.name = f.One["default"]
	}
	for _, line := range f.Many["partition"] {
		col := strings.SplitN(line, "|", 6)
		if len(col) < 6 || col[0] != p.name {
			continue
		}
		n := 0
		_, _ = fmt.Sscan(col[2], &n)
		p.up, p.limit, p.gres = col[1] == "up", col[4], col[5]
		p.count[strings.TrimRight(col[3], "*~#$@+-!%^")] += n
	}
	return p
}

func (p partition) check(f hostagent.Facts) error {
	said := strings.TrimSpace(f.One["partition.error"])
	switch {
	case said != "" && away(said):
		return awayFault(said)
	case p.name == "":
		return &fault.Error{
			Code: fault.Precondition, Reason: "PartitionMissing", What: "the target cannot be used", Why: "the cluster has no default partition",
			Fix: "name one; run: zaffre compute update NAME --partition PARTITION", Evidence: f.Many["partition"],
		}
	case len(p.count) == 0 && !strings.Contains(p.name, ","):
		return &fault.Error{
			Code: fault.Precondition, Reason: "PartitionUnknown", What: "the target cannot be used", Why: fmt.Sprintf("the cluster has no partition %q", p.name),
			Fix: "name one that there is; on the login node: sinfo", Evidence: hostagent.Say(said),
		}
	}
	return nil
}

// down says why nothing is started in the partition now.
func (p partition) down() (reason, message string) {
	if strings.Contains(p.name, ",") {
		return "", ""
	}
	usable := 0
	for _, state := range []string{"idle", "mixed", "allocated", "completing", "planned", "powered_down", "powering_up", "powering_down", "reserved"} {
		usable += p.count[state]
	}
	switch {
	case !p.up:
		return "PartitionDown", fmt.Sprintf("partition %q is down: it starts nothing", p.name)
	case usable == 0:
		return "NodesDown", fmt.Sprintf("no node of partition %q can be used: %s", p.name, p.nodes())
	}
	return "", ""
}

// nodes is how many there are in which state, in words.
func (p partition) nodes() string {
	var out []string
	for _, state := range sorted(p.count) {
		out = append(out, fmt.Sprintf("%d %s", p.count[state], state))
	}
	return strings.Join(out, ", ")
}
