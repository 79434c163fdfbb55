package adla

import (
	"context"
	_ "embed"
	"fmt"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/hostagent"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

//go:embed look.sh
var lookScript string

// Observe implements driver.Conn. The checks are host, shell, system, home, work-directory, store, scratch where there
// is one, duckdb, disk, clock, lingering, python and uv. The machine is that of the host, so that its places are shared.
func (c *conn) Observe(ctx context.Context) (driver.Observation, error) {
	l := &hostagent.Look{}
	begin := time.Now()
	host, err := c.place.Host.Observe(ctx)
	check := driver.Check{Name: "host", Required: true, Duration: time.Since(begin), Evidence: hostagent.Say(host.Identity)}
	if err = l.Step(check, err); err != nil {
		return l.Seen(), err
	}
	if err := l.Machine(ctx, c.place); err != nil {
		return l.Seen(), err
	}
	a, err := c.place.Ask(ctx, lookScript, c.store, c.scratch, c.python)
	if err != nil {
		_ = l.Step(driver.Check{Name: "store", Required: true}, err)
		return l.Seen(), err
	}
	for _, s := range c.steps(a.Facts) {
		if err := l.Step(driver.Check{Name: s.name, Required: true, Duration: a.Took(s.name), Evidence: s.evidence}, s.err); err != nil {
			return l.Seen(), err
		}
	}
	if l.Others("disk", "clock", "lingering", "python", "uv"); c.python == "" {
		_ = l.Step(driver.Check{Name: "duckdb", Evidence: []string{"the first run installs " + c.duckdb}}, c.checkPackages(ctx, l.Facts))
	}
	return c.observation(l, a.Facts, host), nil
}

func (c *conn) observation(l *hostagent.Look, f hostagent.Facts, host driver.Observation) driver.Observation {
	o := l.Seen()
	o.Exists, o.Reason, o.Message = true, l.Reason, l.Message
	if o.Reason == "" && !host.Ready {
		o.Reason, o.Message = host.Reason, host.Message
	}
	o.Ready = o.Reason == ""
	store := f.One["store.real"]
	o.Identity = host.Identity + "/store" + store
	if host.Lasting != "" {
		o.Lasting = host.Lasting + "/store" + store
	}
	for _, m := range host.Machines {
		m.GPUs = 0 // scripts use none
		if c.slots > 0 {
			m.Runs = c.slots
		}
		o.Machines = append(o.Machines, m)
	}
	o.Facts["store"] = store
	if f.Has("duckdb") {
		o.Facts["duckdb"] = f.One["duckdb"]
	}
	return o
}

// step is a check of what scripts need.
type step struct {
	name     string
	evidence []string
	err      error
}

func (c *conn) steps(f hostagent.Facts) []step {
	list := []step{{"store", hostagent.Say(f.One["store.real"], freeText(f, "store")), c.checkStore(f)}}
	if c.scratch != "" {
		list = append(list, step{"scratch", hostagent.Say(c.scratch, freeText(f, "scratch")), c.checkScratch(f)})
	}
	if c.python != "" {
		list = append(list, step{"duckdb", hostagent.Say(c.python, f.One["duckdb"]), c.checkDuckDB(f)})
	}
	return list
}

func freeText(f hostagent.Facts, folder string) string {
	if !f.Has(folder + ".free") {
		return ""
	}
	return fmt.Sprintf("%d MiB free", f.Number(folder+".free")>>10)
}

func (c *conn) checkStore(f hostagent.Facts) error {
	said := strings.TrimSpace(f.One["store.error"])
	give := fmt.Sprintf("give it to that user on the machine: sudo chown -R %s %s; or name another; run: zaffre compute update NAME --store FOLDER", f.One["user"], c.store)
	switch {
	case !f.Has("store.is"):
		return storeFault("StoreMissing", c.store, "there is no such folder on the machine", "make it there: mkdir -p "+c.store+"; or name another; run: zaffre compute update NAME --store FOLDER", "")
	case !f.Has("store.free"):
		return storeFault("StoreNotFolder", c.store, "it is no folder", "name one; run: zaffre compute update NAME --store FOLDER", "")
	case f.Has("store.closed"):
		return storeFault("StoreDenied", c.store, "user "+f.One["user"]+", who runs the scripts, may not read it", give, "")
	case strings.Contains(said, "No space left"):
		return storeFault("StoreFull", c.store, "no space is left there", "free space on the machine: df -h "+c.store, said)
	case said != "":
		return storeFault("StoreUnwritable", c.store, "user "+f.One["user"]+", who runs the scripts, may not write there", give, said)
	}
	return nil
}

func storeFault(reason, store, why, fix, said string) error {
	return &fault.Error{
		Code: fault.Precondition, Reason: reason, What: fmt.Sprintf("the store %q cannot be used", store), Why: why, Fix: fix, Evidence: hostagent.Say(said),
	}
}

func (c *conn) checkScratch(f hostagent.Facts) error {
	if !f.Has("scratch.error") {
		return nil
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "ScratchUnwritable", What: fmt.Sprintf("the folder %q for rows cannot be used", c.scratch), Why: "it cannot be written",
		Fix: "see who may write there, or name another; run: zaffre compute update NAME --scratch FOLDER", Evidence: hostagent.Say(strings.TrimSpace(f.One["scratch.error"])),
	}
}

func (c *conn) checkDuckDB(f hostagent.Facts) error {
	const fix = "name an interpreter that has it, or none, so that one is made; run: zaffre compute update NAME --python ''"
	var major, minor int
	_, _ = fmt.Sscanf(f.One["duckdb"], "%d.%d", &major, &minor)
	switch {
	case !f.Has("duckdb"):
		return &fault.Error{
			Code: fault.Precondition, Reason: "DuckDBMissing", What: "no script can be run", Why: c.python + " does not start, or has no package duckdb",
			Fix: fix, Evidence: hostagent.Say(strings.TrimSpace(f.One["duckdb.error"])),
		}
	case major < 1 || major == 1 && minor < 4:
		return &fault.Error{
			Code: fault.Precondition, Reason: "DuckDBTooOld", What: "no script can be run", Why: c.python + " has DuckDB " + f.One["duckdb"] + ", and 1.4 is the first that works", Fix: fix,
		}
	}
	return nil
}

// checkPackages says why no environment could be made on the machine.
func (c *conn) checkPackages(ctx context.Context, f hostagent.Facts) error {
	if len(f.Many["python"])+len(f.Many["tool"]) > 0 {
		return nil
	}
	arch, err := c.arch(ctx)
	if err == nil {
		_, err = c.jobs.UV.Binary(ctx, arch)
	}
	if err == nil {
		return nil
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "DuckDBUnavailable", What: "no script can be run", Why: "the machine has neither Python nor uv, and the server has no uv to give to it",
		Fix: "install python3 or uv there, or name a Python that has DuckDB; run: zaffre compute update NAME --python PATH", Err: err,
	}
}
