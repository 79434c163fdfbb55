package server_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/driver/fake"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/server"
)

func (b *box) logOf(t testing.TB, id string) string {
	t.Helper()
	r, err := b.RunLog(t.Context(), "default", id, client.LogOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestBackupWhileRunsGoOn(t *testing.T) {
	t.Parallel()
	b := start(t)
	ctx := t.Context()
	b.attach(t, "box", map[string]any{"slots": 8, "password": "s3cret"})
	var done []client.Run
	for i := range 5 {
		r, err := b.Submit(ctx, "default", client.RunRequest{Name: fmt.Sprintf("before-%d", i), Compute: "box", Command: []string{"echo", "line", fmt.Sprint(i)}})
		if err != nil {
			t.Fatal(err)
		}
		done = append(done, b.finish(t, r.ID))
	}
	if _, err := b.RegisterEnvironment(ctx, "default", client.Environment{Name: "e", Pip: []string{"scikit-learn"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Submit(ctx, "default", client.RunRequest{Name: "going", Compute: "box", Command: []string{"hang"}}); err != nil {
		t.Fatal(err)
	}

	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { // traffic while the backup is taken
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			_, _ = b.Submit(ctx, "default", client.RunRequest{Name: fmt.Sprintf("during-%d", i), Compute: "box", Command: []string{"echo", "x"}})
		}
	})
	file := filepath.Join(t.TempDir(), "backup.tar.zst")
	err := server.BackupFile(ctx, configOf(t, b.data, nil), file)
	close(stop)
	wg.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("backup: %v, %v", info, err)
	}

	dir := filepath.Join(t.TempDir(), "new")
	if err := server.RestoreFile(ctx, configOf(t, dir, nil), file); err != nil {
		t.Fatal(err)
	}
	was, err := b.Server(ctx)
	if err != nil {
		t.Fatal(err)
	}
	again := startIn(t, dir, nil, b.world)
	is, err := again.Server(ctx)
	if err != nil || is.ID != was.ID || again.profile.Token != b.profile.Token {
		t.Errorf("restored server: %+v, %v; was %+v", is, err, was)
	}
	for _, want := range done {
		got, err := again.Run(ctx, "default", want.ID)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("run %s: %v (-want +got):\n%s", want.ID, err, diff)
		}
		if want, got := b.logOf(t, want.ID), again.logOf(t, want.ID); want != got || got == "" {
			t.Errorf("log: %q, was %q", got, want)
		}
	}
	if r, err := again.Run(ctx, "default", "going"); err != nil || r.Final() {
		t.Errorf("the run that went on: %+v, %v", r, err)
	}
	if e, err := again.Environment(ctx, "default", "e", "latest"); err != nil || e.Version != 1 {
		t.Errorf("environment: %+v, %v", e, err)
	}
	// The secret opens with the restored keys: the driver would refuse a wrong one.
	if c, err := again.CheckCompute(ctx, "default", "box"); err != nil || c.State != "Succeeded" {
		t.Errorf("compute: %+v, %v", c, err)
	}
}

func TestRestoreRefuses(t *testing.T) {
	t.Parallel()
	b := start(t)
	var good bytes.Buffer
	if err := server.Backup(t.Context(), configOf(t, b.data, nil), &good); err != nil {
		t.Fatal(err)
	}
	if err := server.Restore(t.Context(), configOf(t, b.data, nil), bytes.NewReader(good.Bytes())); fault.ReasonOf(err) != "DataNotEmpty" {
		t.Errorf("into a folder in use: %v", err)
	}
	flipped := bytes.Clone(good.Bytes())
	flipped[len(flipped)/2] ^= 0x40
	for reason, text := range map[string][]byte{
		"cut off": good.Bytes()[:good.Len()/2], "damaged": flipped, "empty": nil, "no archive": []byte(strings.Repeat("no archive ", 100)),
	} {
		parent := t.TempDir()
		err := server.Restore(t.Context(), configOf(t, filepath.Join(parent, "new"), nil), bytes.NewReader(text))
		if fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%s: %v", reason, err)
		}
		if left, err := os.ReadDir(parent); err != nil || len(left) != 0 {
			t.Errorf("%s: left %v, %v", reason, left, err)
		}
	}
	if err := server.Backup(t.Context(), configOf(t, t.TempDir(), nil), io.Discard); fault.ReasonOf(err) != "DatabaseMissing" {
		t.Errorf("backup of nothing: %v", err)
	}
}

func TestOneServerPerFolder(t *testing.T) {
	t.Parallel()
	b := start(t)
	err := server.RunWith(t.Context(), configOf(t, b.data, nil), io.Discard, discard(), server.Options{})
	if fault.ReasonOf(err) != "DatabaseInUse" {
		t.Errorf("second server: %v", err)
	}
	if _, err := b.Server(t.Context()); err != nil {
		t.Errorf("the first one: %v", err)
	}
	if p, err := client.Load(b.data); err != nil || p.URL != b.url {
		t.Errorf("the first one's login: %+v, %v", p, err)
	}
}

func TestEphemeral(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := startIn(t, dir, map[string]string{"ephemeral": "true"}, fake.NewWorld())
	s, err := b.Server(t.Context())
	if err != nil || !s.Ephemeral {
		t.Errorf("server: %+v, %v", s, err)
	}
	temp := filepath.Dir(b.profile.CA)
	if _, err := os.Stat(filepath.Join(temp, "zaffre.db")); err != nil {
		t.Error(err)
	}
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(temp); !os.IsNotExist(err) {
		t.Errorf("its folder is still there: %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left in --data: %v, %v", left, err)
	}
	kept := start(t)
	if err := kept.stop(); err != nil {
		t.Fatal(err)
	}
	err = server.RunWith(t.Context(), configOf(t, kept.data, map[string]string{"ephemeral": "true"}), io.Discard, discard(), server.Options{})
	if fault.ReasonOf(err) != "DataInUse" {
		t.Errorf("ephemeral in a kept folder: %v", err)
	}
	if _, err := client.Load(kept.data); err != nil {
		t.Errorf("the login of the kept server: %v", err)
	}
}
