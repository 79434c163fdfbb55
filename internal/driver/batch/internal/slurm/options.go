package slurm

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/agentx"
)

// options are what a run says to Slurm. Zero leaves it to the cluster.
type options struct {
	partition, account, qos, gres string
	nodes, tasks, cpus, gpus      int64
	limit                         time.Duration
	more                          []string
	array                         string         // as it was given
	indexes                       agentx.Indexes // that it names; none: it is no array
}

// JobOptions are those of a run.
func JobOptions() []driver.Option {
	return []driver.Option{
		{Path: optPartition, Type: driver.String, Help: "Slurm: partition; several with commas between them, the first that can takes the run"},
		{Path: "nodes", Type: driver.Int, Default: int64(0), Help: "Slurm: how many nodes: the command starts on the first, and reaches the others by srun or mpirun"},
		{Path: "tasksPerNode", Type: driver.Int, Default: int64(0), Help: "Slurm: how many tasks srun starts per node"},
		{Path: "cpus", Type: driver.Int, Default: int64(0), Help: "Slurm: how many CPUs per task"},
		{Path: "gpus", Type: driver.Int, Default: int64(0), Help: "Slurm: how many GPUs per node"},
		{Path: "gres", Type: driver.String, Help: "Slurm: generic resources per node, as Slurm writes them: gpu:a100:2"},
		{Path: optArray, Type: driver.String, Help: "Slurm: indexes of an array, for each of which the command runs as a task of its own: 0-9, 1,3,5-7:2, or 0-99%4, of which 4 run at once"},
		{Path: optAccount, Type: driver.String, Help: "Slurm: account that the run is charged to"},
		{Path: optQOS, Type: driver.String, Help: "Slurm: quality of service"},
		{Path: "sbatchArguments", Type: driver.String, Many: true, Help: "Slurm: more arguments of sbatch, each --NAME=VALUE: " + strings.Join(allowed(), ", ")},
	}
}

// allowed are the arguments of sbatch that a run may give: what it needs, and not what becomes of it.
func allowed() []string {
	return []string{
		"begin", "constraint", "contiguous", "core-spec", "cores-per-socket", "cpus-per-gpu", "distribution", "exclude",
		"exclusive", "gpu-bind", "gpu-freq", "gpus-per-task", "hint", "licenses", "mem", "mem-per-cpu", "mem-per-gpu",
		"mincpus", "network", "nice", "nodelist", "ntasks", "ntasks-per-core", "ntasks-per-socket", "oversubscribe",
		"prefer", "reservation", "sockets-per-node", "spread-job", "switches", "threads-per-core", "tmp", "wckey",
	}
}

// optionsOf reads what a run says; where it is silent, def counts.
func optionsOf(given map[string]any, def options) (options, error) {
	number := func(path string) int64 { n, _ := given[path].(int64); return n }
	or := func(path, or string) string {
		if s := driver.Text(given[path]); s != "" {
			return s
		}
		return or
	}
	o := options{
		partition: or(optPartition, def.partition), account: or(optAccount, def.account), qos: or(optQOS, def.qos), gres: or("gres", ""),
		nodes: number("nodes"), tasks: number("tasksPerNode"), cpus: number("cpus"), gpus: number("gpus"), more: texts(given["sbatchArguments"]),
	}
	o.limit, _ = given[OptLimit].(time.Duration)
	if err := o.check(); err != nil {
		return o, err
	}
	var err error
	o.array = driver.Text(given[optArray])
	o.indexes, err = indexesOf(o.array)
	return o, err
}

// indexesOf reads which tasks an array has. Source: sbatch(1), --array.
func indexesOf(array string) (agentx.Indexes, error) {
	indexes, most, limited := strings.Cut(array, "%")
	list, err := agentx.ParseIndexes(indexes)
	if _, bad := strconv.ParseUint(most, 10, 32); err == nil && limited && (bad != nil || len(list) == 0) {
		err = fmt.Errorf("%q does not say how many of its tasks may run at once", array)
	}
	if err != nil {
		return nil, optionFault(optArray, err.Error(), "write it as sbatch does: 0-9, 1,3,5-7:2, or 0-99%4 for 4 at once")
	}
	return list, nil
}

// texts reads an option that is a list.
func texts(v any) (out []string) {
	switch v := v.(type) {
	case []string:
		return v
	case []any:
		for _, e := range v {
			out = append(out, driver.Text(e))
		}
	}
	return out
}

// check refuses what Slurm would take for something else.
func (o options) check() error {
	for path, v := range map[string]string{optPartition: o.partition, optAccount: o.account, optQOS: o.qos, "gres": o.gres} {
		if strings.HasPrefix(v, "-") || strings.ContainsAny(v, " \t\r\n\x00'\"") {
			return optionFault(path, fmt.Sprintf("%q is no name", v), "give the name as Slurm shows it; on the login node: sinfo, sacctmgr show assoc")
		}
	}
	for path, n := range map[string]int64{"nodes": o.nodes, "tasksPerNode": o.tasks, "cpus": o.cpus, "gpus": o.gpus} {
		if n < 0 {
			return optionFault(path, "it is negative", "give a number, or 0 to leave it to the cluster")
		}
	}
	if o.limit < 0 {
		return optionFault(OptLimit, "it is negative", "give for example 2h")
	}
	for _, a := range o.more {
		name, _, _ := strings.Cut(strings.TrimPrefix(a, "--"), "=")
		if !strings.HasPrefix(a, "--") || !slices.Contains(allowed(), name) || strings.ContainsAny(a, "\r\n\x00") {
			return optionFault("sbatchArguments", fmt.Sprintf("%q is none of those that a run may give", a), "give --NAME=VALUE with one of: "+strings.Join(allowed(), ", "))
		}
	}
	return nil
}

// arguments are sbatch's. memory is in bytes; 0: none.
func (o options) arguments(memory int64) []string {
	var args []string
	add := func(name, value string) {
		if value != "" && value != "0" {
			args = append(args, "--"+name+"="+value)
		}
	}
	add("partition", o.partition)
	add("account", o.account)
	add("qos", o.qos)
	if len(o.indexes) > 0 { // "0" is one
		args = append(args, "--array="+o.array)
	}
	add("nodes", strconv.FormatInt(o.nodes, 10))
	add("ntasks-per-node", strconv.FormatInt(o.tasks, 10))
	add("cpus-per-task", strconv.FormatInt(o.cpus, 10))
	add("gpus-per-node", strconv.FormatInt(o.gpus, 10))
	add("gres", o.gres)
	add("time", strconv.FormatInt(int64((o.limit+time.Minute-1)/time.Minute), 10))
	if memory > 0 {
		add("mem", strconv.FormatInt((memory+1<<20-1)>>20, 10)+"M")
	}
	return append(args, o.more...)
}
