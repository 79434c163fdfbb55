package slurm

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// freshFor is for how long what Slurm said counts: one question serves all runs that are polled.
const freshFor = 700 * time.Millisecond

// record is a job as Slurm sees it.
type record struct {
	name, id, state, partition, nodes, reason string
	tasks                                     string // of an array, as agentx.Indexes; "": it is none, or it is all others of an array
}

// records are what Slurm knows under one name: a run and its copies, or the tasks of an array.
type records []record

// main returns the one that counts: of two, one that is not over.
func (l records) main() (r record, known bool) {
	for _, x := range l {
		if !known || r.over() {
			r, known = x, true
		}
	}
	return r, known
}

// over reports whether Slurm has done with it.
func (r record) over() bool {
	return !slices.Contains([]string{"PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "RESIZING", "REQUEUED", "SIGNALING", "STAGE_OUT", "REQUEUE_HOLD", "REQUEUE_FED", "RESV_DEL_HOLD", "SPECIAL_EXIT"}, r.state)
}

// seen is what Slurm said last.
type seen struct {
	gate chan struct{} // held while it is asked
	told chan struct{} // something was told to Slurm: it is worth asking
	at   time.Time
	all  map[string]records
}

func newSeen() *seen { return &seen{gate: make(chan struct{}, 1), told: make(chan struct{}, 1)} }

// forget has the next question asked anew.
func (s *seen) forget() {
	s.gate <- struct{}{}
	s.at = time.Time{}
	<-s.gate
	select {
	case s.told <- struct{}{}:
	default:
	}
}

// queue returns what Slurm knows of the target's jobs, by their names. It is no older than freshFor.
func (s slurm) queue(ctx context.Context) (map[string]records, error) {
	select {
	case s.seen.gate <- struct{}{}:
	case <-ctx.Done():
		return nil, awayFault("")
	}
	defer func() { <-s.seen.gate }()
	if time.Since(s.seen.at) < freshFor {
		return s.seen.all, nil
	}
	f, exit, err := s.read(ctx, queueScript, s.place.ID)
	if err == nil && (exit != 0 || !f.Has("done")) {
		err = queueFault(f.One["said"])
	}
	if err != nil {
		return nil, err
	}
	s.seen.at, s.seen.all = time.Now(), recordsOf(f.Many["job"])
	return s.seen.all, nil
}

// queueFault: whatever squeue says, it has not said that there are no jobs.
func queueFault(said string) error {
	if f := fault.From(submitFault(said)); f.Reason == "SlurmMissing" {
		return f
	}
	return awayFault(said)
}

// recordsOf reads lines of queue.sh.
func recordsOf(lines []string) map[string]records {
	out := map[string]records{}
	for _, line := range lines {
		f := strings.SplitN(line, "|", 7)
		if len(f) < 7 {
			continue
		}
		r := record{f[0], f[1], f[2], f[3], f[4], f[6], f[5]}
		if strings.Contains(r.tasks, "N/A") {
			r.tasks = ""
		}
		out[r.name] = append(out[r.name], r)
	}
	return out
}

// open returns the names of jobs that are not over.
func open(all map[string]records) []string {
	return slices.DeleteFunc(sorted(all), func(name string) bool {
		r, _ := all[name].main()
		return r.over()
	})
}

// sorted returns the keys of a map.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// waiting says in words why a job waits. Source: squeue(1), JOB REASON CODES.
func (r record) waiting() string {
	in := "in partition " + cmp.Or(r.partition, "?")
	switch reason := strings.Trim(r.reason, "()"); {
	case r.state != "PENDING":
		return "starts on " + cmp.Or(r.nodes, "a node") + " " + in
	case reason == "None" || reason == "":
		return "waits to be looked at " + in
	case reason == "Resources":
		return "waits for resources " + in
	case reason == "JobArrayTaskLimit":
		return "waits for other tasks of its array, of which only so many may run at once"
	case reason == "Priority":
		return "waits behind others " + in
	case reason == "PartitionDown", reason == "PartitionInactive":
		return "waits: partition " + r.partition + " is down, and starts nothing"
	case strings.HasPrefix(reason, "PartitionNodeLimit"), strings.HasPrefix(reason, "PartitionTimeLimit"):
		return "waits for ever: it asks for more than partition " + r.partition + " allows (" + reason + ")"
	case strings.HasPrefix(reason, "ReqNodeNotAvail"), reason == "NodeDown":
		return "waits: nodes that it needs are down, drained or reserved (" + reason + ")"
	case strings.HasPrefix(reason, "QOS"), strings.HasPrefix(reason, "Assoc"), reason == "MaxJobsPerAccount":
		return "waits for a limit of its account or quality of service (" + reason + ")"
	case strings.HasPrefix(reason, "JobHeld"), strings.Contains(reason, "held"):
		return "waits: it is held (" + reason + "); on the login node: scontrol release " + r.id
	case reason == "BeginTime":
		return "waits for its begin time"
	case reason == "Licenses", reason == "Reservation":
		return "waits for " + strings.ToLower(reason) + " " + in
	default:
		return "waits " + in + " (" + reason + ")"
	}
}
