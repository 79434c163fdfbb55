package slurm

import (
	"context"
	_ "embed"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver/internal/hostagent"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// The scripts that run on the login node: each asks Slurm one thing, or tells it one.
var (
	//go:embed slurm.sh
	slurmScript string
	//go:embed look.sh
	lookScript string
	//go:embed submit.sh
	submitScript string
	//go:embed queue.sh
	queueScript string
	//go:embed cancel.sh
	cancelScript string
	//go:embed end.sh
	endScript string
)

// within bounds one script: a controller that is away lets its clients wait for longer.
const within = 20 * time.Second

// slurm is the cluster as seen from its login node.
type slurm struct {
	place     hostagent.Place
	bin, conf string
	seen      *seen
}

// ask runs a script.
func (s slurm) ask(ctx context.Context, script string, args ...string) (hostagent.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return s.place.Ask(ctx, "comment=zaffre/"+s.place.ID+"\n"+slurmScript+script, append([]string{s.bin, s.conf}, args...)...)
}

// mostSaid bounds what is read of what Slurm knows, in bytes: a line for all tasks of an array that are alike.
const mostSaid = 8 << 20

// read is ask for a script that may have much to say, and says by itself what went wrong.
func (s slurm) read(ctx context.Context, script string, args ...string) (f hostagent.Facts, exit int, err error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	b, exit, err := s.place.Fetch(ctx, mostSaid, slurmScript+script, append([]string{s.bin, s.conf}, args...)...)
	return hostagent.ParseFacts(string(b)), exit, err
}

// submit has Slurm start a job, or finds it.
func (s slurm) submit(ctx context.Context, job string, args []string) error {
	a, err := s.ask(ctx, submitScript, append([]string{s.place.ID, job}, args...)...)
	if err != nil {
		return err
	}
	s.seen.forget()
	if a.Exit != 0 {
		return submitFault(a.Said)
	}
	return nil
}

// cancel takes a job out of the queue, or tells it to end.
func (s slurm) cancel(ctx context.Context, job string) error {
	return s.tell(ctx, cancelScript, job)
}

// end ends jobs at once.
func (s slurm) end(ctx context.Context, jobs ...string) error {
	if len(jobs) == 0 {
		return nil
	}
	return s.tell(ctx, endScript, jobs...)
}

func (s slurm) tell(ctx context.Context, script string, jobs ...string) error {
	a, err := s.ask(ctx, script, jobs...)
	s.seen.forget()
	if err == nil && a.Exit != 0 {
		err = submitFault(a.Said)
	}
	return err
}

// refusals are Slurm's words, and what they mean. Source: slurm_errno.c of Slurm 22.05.
func refusals() []struct{ said, reason, why, fix string } {
	return []struct{ said, reason, why, fix string }{
		{"Invalid partition name", "PartitionUnknown", "the cluster has no such partition", "name one that there is; on the login node: sinfo"},
		{"Invalid account", "AccountRefused", "the account is not one that this user may charge", "name another one with the option account; on the login node: sacctmgr show assoc user=$USER"},
		{"Invalid qos", "QOSRefused", "the quality of service is not one that this user may have", "name another one with the option qos; on the login node: sacctmgr show qos"},
		{"generic resource", "ResourcesRefused", "no node has the generic resources that were asked for", "look what there is; on the login node: sinfo -o '%P %G'"},
		{"time limit", "TimeLimitRefused", "the partition allows no run of that length", "give a shorter option timeLimit, or another partition; on the login node: sinfo -o '%P %l'"},
		{"node count", "ResourcesRefused", "the partition has not as many nodes, or allows not as many", "ask for fewer nodes; on the login node: sinfo -o '%P %D'"},
		{"more processors", "ResourcesRefused", "the partition has not as many processors, or allows not as many", "ask for fewer nodes or CPUs; on the login node: sinfo -o '%P %D %c'"},
		{"configuration is not available", "ResourcesRefused", "no node of the partition has what was asked for", "ask for fewer CPUs, GPUs or nodes, or less memory; on the login node: sinfo -o '%P %c %m %G'"},
		{"Memory", "ResourcesRefused", "no node of the partition has that much memory", "ask for less; on the login node: sinfo -o '%P %m'"},
		{"policy limit", "LimitsRefused", "a limit of the account or of the quality of service does not allow it", "ask for less, or ask who runs the cluster; on the login node: sacctmgr show assoc user=$USER"},
		{"job array specification", "ArrayRefused", "the cluster takes no array of such indexes: they are to be below its MaxArraySize", "give lower indexes in the option array; on the login node: scontrol show config | grep MaxArraySize"},
		{"inactive", "PartitionDown", "the partition takes no jobs now", "name another one with the option partition; on the login node: sinfo"},
	}
}

// submitFault says why Slurm did not do it.
func submitFault(said string) error {
	f := &fault.Error{
		Code: fault.Precondition, Reason: "SubmitRefused", What: "Slurm does not take the run", Why: "sbatch refuses it",
		Fix: "see what it says, and correct the options of the run", Evidence: []string{said},
	}
	switch {
	case away(said):
		return awayFault(said)
	case strings.Contains(said, "No space left"), strings.Contains(said, "quota exceeded"):
		f.Code, f.Reason, f.Why, f.Fix = fault.Exhausted, "DiskFull", "no space is left in the work directory", "free space there, on the login node"
	case strings.Contains(said, "cannot find name for user ID"):
		return namelessFault("")
	case strings.Contains(said, "sbatch: not found"), strings.Contains(said, "squeue: not found"):
		return missingFault()
	}
	for _, r := range refusals() {
		if strings.Contains(strings.ToLower(said), strings.ToLower(r.said)) {
			f.Reason, f.Why, f.Fix = r.reason, r.why, r.fix
			break
		}
	}
	return f
}

// away reports whether Slurm's words say that its controller could not be asked.
func away(said string) bool {
	if said == "" {
		return true // it was ended before it could say anything
	}
	for _, s := range []string{"Unable to contact", "timed out", "Connection refused", "Zero Bytes", "temporarily unable", "communication connection failure", "Transport endpoint", "Protocol authentication", "unable to load job"} {
		if strings.Contains(said, s) {
			return true
		}
	}
	return false
}

func awayFault(said string) error {
	f := &fault.Error{
		Code: fault.Unavailable, Reason: "ControllerAway", What: "the cluster does not answer", Why: "its controller, slurmctld, cannot be asked",
		Fix: "wait, or start it where it runs; on the login node: scontrol ping",
	}
	if said != "" {
		f.Evidence = []string{said}
	}
	return f
}

// namelessFault: slurmd starts nothing for a number that no list of users has.
func namelessFault(uid string) error {
	return &fault.Error{
		Code: fault.Precondition, Reason: "UserNameless", What: "the target cannot be used", Why: strings.TrimSpace("the user on the login node has no name "+uid) + ", and Slurm runs jobs only of users that its nodes know",
		Fix: "log in at the login node as a user of the cluster; where it is the server itself, run: zaffre serve --local-user USER",
	}
}

func missingFault() error {
	return &fault.Error{
		Code: fault.Precondition, Reason: "SlurmMissing", What: "the target cannot be used", Why: "there is no sbatch on the login node",
		Fix: "name its folder; run: zaffre compute update NAME --slurm-bin FOLDER; or name another target as the login node",
	}
}
