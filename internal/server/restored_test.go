package server_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/server"
)

func (b *box) submit(t testing.TB, q client.RunRequest) client.Run {
	t.Helper()
	r, err := b.Submit(t.Context(), "default", q)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (b *box) await(t testing.TB, id, state string) client.Run {
	t.Helper()
	var last client.Run
	defer func() {
		if t.Failed() {
			t.Logf("the run, which was to be %s: %+v", state, last)
		}
	}()
	eventually(t, func() bool {
		r, err := b.Run(t.Context(), "default", id)
		last = r
		return err == nil && r.State == state
	})
	return last
}

// TestRestoreFindsWhatWentOn: time goes on between a backup and the day on which it is restored. What still is on a target
// is found there, with its end; what is no more there says why nobody can know; what came after the backup is named, and
// goes on.
func TestRestoreFindsWhatWentOn(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.attach(t, "box", map[string]any{"slots": 4})
	on := func(command ...string) client.RunRequest { return client.RunRequest{Compute: "box", Command: command} }
	running := func(q client.RunRequest) client.Run { return b.await(t, b.submit(t, q).ID, "Running") }
	goes, ends, gone := running(on("hang")), running(on("hang")), running(on("hang"))
	tried := on("hang")
	tried.Retries = 2
	again := running(tried)
	waits := b.submit(t, on("hang")) // there is no slot for it yet

	file := filepath.Join(t.TempDir(), "backup.tar.zst")
	if err := server.BackupFile(t.Context(), configOf(t, b.data, nil), file); err != nil {
		t.Fatal(err)
	}
	b.world.Finish("z-"+gone.ID+"-1", 0)
	b.await(t, gone.ID, "Completed")
	b.await(t, waits.ID, "Running")
	b.world.Finish("z-"+waits.ID+"-1", 0)
	b.await(t, waits.ID, "Completed")
	for _, job := range []string{"-1", "-2"} {
		eventually(t, func() bool { return b.world.Known("z-" + again.ID + job) })
		b.world.Finish("z-"+again.ID+job, 1)
		eventually(t, func() bool { return !b.world.Known("z-" + again.ID + job) })
	}
	eventually(t, func() bool { return b.world.Known("z-" + again.ID + "-3") })
	after := running(on("hang"))
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	b.world.Finish("z-"+ends.ID+"-1", 0)

	dir := filepath.Join(t.TempDir(), "new")
	if err := server.RestoreFile(t.Context(), configOf(t, dir, nil), file); err != nil {
		t.Fatal(err)
	}
	r := startIn(t, dir, nil, b.world)
	r.await(t, ends.ID, "Completed")
	for _, run := range []client.Run{gone, waits} {
		lost := r.await(t, run.ID, "Failed")
		if lost.Error == nil || !strings.Contains(lost.Error.Error(), "restored from a backup of 20") {
			t.Errorf("%s failed: %+v", run.ID, lost.Error)
		}
	}
	// The target has seen its third attempt: the second is fenced, and the third found where it is.
	third := r.await(t, again.ID, "Running")
	if n := len(third.Attempts); n != 3 || b.world.Starts()["z-"+again.ID+"-3"] != 1 {
		t.Errorf("attempts %+v, starts %v", third.Attempts, b.world.Starts())
	}
	if got := r.await(t, goes.ID, "Running"); len(got.Attempts) != 1 {
		t.Errorf("the run that goes on: %+v", got)
	}
	r.wantsOrphans(t, "z-"+after.ID+"-1")
	r.wantsPlaces(t, 3, "z-"+after.ID+"-1") // of the two that go on, and of the one that nobody knows
	if !b.world.Known("z-" + after.ID + "-1") {
		t.Error("a job of an unknown run was taken away")
	}
	for job, n := range b.world.Starts() {
		if n != 1 {
			t.Errorf("job %s started %d times", job, n)
		}
	}
	// Its places are free when it has ended, which the next start sees too.
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	b.world.Finish("z-"+after.ID+"-1", 0)
	startIn(t, dir, nil, b.world).wantsPlaces(t, 2, "")
}

// wantsPlaces waits until so many places are taken, and the target says by which unknown job; "": by none.
func (b *box) wantsPlaces(t testing.TB, taken int, job string) {
	t.Helper()
	var got client.Compute
	defer func() {
		if t.Failed() {
			t.Logf("the target, of which %d places were to be taken: %+v", taken, got)
		}
	}()
	says := func() bool {
		for _, c := range got.Conditions {
			if c.Type == "Orphans" {
				return job != "" && strings.Contains(c.Message, job)
			}
		}
		return job == ""
	}
	eventually(t, func() (ok bool) {
		var err error
		got, err = b.Compute(t.Context(), "default", "box")
		return err == nil && got.Running == taken && says()
	})
}

// wantsOrphans waits for the event that names the jobs, and for no more of them.
func (b *box) wantsOrphans(t testing.TB, jobs string) {
	t.Helper()
	var got []client.Event
	eventually(t, func() bool {
		p, err := b.Events(t.Context(), "default", client.EventFilter{Subject: "compute/box"})
		got = nil
		for _, e := range p.Items {
			if e.Type == "compute.orphans" {
				got = append(got, e)
			}
		}
		return err == nil && len(got) > 0
	})
	if len(got) != 1 || got[0].Data["jobs"] != jobs {
		t.Errorf("orphans %+v, want %s", got, jobs)
	}
}
