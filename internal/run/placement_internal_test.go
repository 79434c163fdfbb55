package run

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/store"
)

func queued(name string, gpus int, memory int64) Run {
	return Run{Name: name, ID: name, Spec: Spec{Target: "box", GPUs: gpus, Memory: memory}, Status: Status{State: Queued}}
}

func TestPlan(t *testing.T) {
	t.Parallel()
	box := driver.Machine{Identity: "m", Runs: 4, GPUs: 2, Memory: 100}
	for _, c := range []struct {
		reason string
		queue  []Run
		taken  []store.Take
		want   []string // name@run slot, GPUs; or name!reason
	}{
		{"in order, one place each", []Run{queued("a", 0, 0), queued("b", 0, 0)}, nil, []string{"a@0[]", "b@1[]"}},
		{"each GPU once", []Run{queued("a", 1, 0), queued("b", 1, 0), queued("c", 1, 0)}, nil, []string{"a@0[0]", "b@1[1]"}},
		{"what is taken is not given", []Run{queued("a", 1, 0)}, []store.Take{{Name: "run/0"}, {Name: "gpu/0"}}, []string{"a@1[1]"}},
		{"one without GPUs passes one that waits for them", []Run{queued("a", 2, 0), queued("b", 0, 0)}, []store.Take{{Name: "gpu/0"}}, []string{"b@0[]"}},
		{"a small GPU run does not pass a big one", []Run{queued("a", 2, 0), queued("b", 1, 0)}, []store.Take{{Name: "gpu/0"}}, nil},
		{"memory adds up", []Run{queued("a", 0, 60), queued("b", 0, 60), queued("c", 0, 0)}, nil, []string{"a@0[]", "c@1[]"}},
		{"memory that others hold", []Run{queued("a", 0, 60)}, []store.Take{{Name: "memory/z-1-1/50"}}, nil},
		{"never fits", []Run{queued("a", 3, 0), queued("b", 0, 0)}, nil, []string{"a!NoMachineFits", "b@0[]"}},
		{"full", []Run{queued("a", 0, 0)}, []store.Take{{Name: "run/0"}, {Name: "run/1"}, {Name: "run/2"}, {Name: "run/3"}}, nil},
	} {
		var got []string
		for _, p := range plan(c.queue, []room{free(box, c.taken)}) {
			if p.never != nil {
				got = append(got, p.run.Name+"!"+p.never.Reason)
				continue
			}
			gpus := p.slot.GPUs
			if gpus == nil {
				gpus = []int{}
			}
			got = append(got, fmt.Sprintf("%s@%d%v", p.run.Name, p.slot.Run, gpus))
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.reason, diff)
		}
	}
}

// TestPlanWhereNothingIsTold: an engine that places runs itself does not tell what its machines have.
func TestPlanWhereNothingIsTold(t *testing.T) {
	t.Parallel()
	engine := driver.Machine{Identity: "target/t", Runs: 2}
	placed := plan([]Run{queued("a", 0, 2e9)}, []room{free(engine, []store.Take{{Name: "run/0"}, {Name: "memory/z-1-1/50"}})})
	if len(placed) != 1 || placed[0].never != nil || placed[0].slot.Run != 1 {
		t.Errorf("a run that asks for memory is placed as %+v", placed)
	}
}

// Whatever waits, no slot is given twice, no machine is given more than it has, and nobody who
// lacks something is passed by one who asks for the same.
func TestPlanIsSound(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var queue []Run
		for i := range rapid.IntRange(0, 20).Draw(t, "runs") {
			queue = append(queue, queued(fmt.Sprint("r", i), rapid.IntRange(0, 3).Draw(t, "gpus"), rapid.Int64Range(0, 80).Draw(t, "memory")))
		}
		var rooms []room
		for i := range rapid.IntRange(1, 3).Draw(t, "machines") {
			rooms = append(rooms, free(driver.Machine{
				Identity: fmt.Sprint("m", i), Runs: rapid.IntRange(0, 5).Draw(t, "slots"), GPUs: rapid.IntRange(0, 4).Draw(t, "machine GPUs"), Memory: 100,
			}, nil))
		}
		seen, used, given := map[string]bool{}, map[string]int64{}, map[string]bool{}
		for _, p := range plan(queue, rooms) {
			given[p.run.Name] = true
			for _, take := range p.takes {
				if seen[take.Space+take.Name] {
					t.Fatalf("%v is given twice", take)
				}
				seen[take.Space+take.Name] = true
			}
			if p.never == nil {
				used[p.slot.Machine] += p.run.Spec.Memory
			}
		}
		for m, bytes := range used {
			if bytes > 100 {
				t.Fatalf("machine %s is given %d bytes of 100", m, bytes)
			}
		}
		for i, first := range queue {
			for _, later := range queue[i+1:] {
				if !given[first.Name] && given[later.Name] && first.Spec.GPUs > 0 && later.Spec.GPUs > 0 && later.Spec.GPUs <= 4 && neverFits(later, rooms) == nil {
					t.Fatalf("%s passed %s, which waits for GPUs", later.Name, first.Name)
				}
			}
		}
	})
}
