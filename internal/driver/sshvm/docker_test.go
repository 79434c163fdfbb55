package sshvm_test

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/id"
)

// TestDockerOnAMachine: the login's user has an environment built in an image by the machine's Docker Engine, runs in
// it as that user, cancels, and cleans. That such a run reaches the server is tested with its client, in test/clients.
func TestDockerOnAMachine(t *testing.T) {
	target := vm(t)
	share := os.Getenv("TEST_DOCKER_SHARE")
	if share == "" {
		if slices.Contains(strings.Split(os.Getenv("TEST_REQUIRE"), ","), "docker") {
			t.Fatal(`TEST_DOCKER_SHARE is not set; run: eval "$(test/engines/docker.sh env)"`)
		}
		t.Skip(`needs a Docker Engine: test/engines/docker.sh up; eval "$(test/engines/docker.sh env)"`)
	}
	target.Tools = tools(t)
	target.Options["workDirectory"] = filepath.Join(share, "w"+id.New())
	m := on(t, target)
	sum := sha256.Sum256([]byte(id.New()))
	st, _ := m.built(hex.EncodeToString(sum[:]), driver.Definition{BaseImage: cmp.Or(os.Getenv("TEST_DOCKER_IMAGE"), "zaffre-test/python:3.11"), Pip: []string{"six==1.16.0"}})
	if st.Way != "image" || st.Runtime.Image == "" {
		t.Fatalf("the build is %+v", st)
	}
	got := m.python(st, "z-"+id.New(), `import os, six; print(six.__version__, os.getuid(), os.path.exists("/home/azureuser"))`)
	if got := strings.TrimSpace(got); got != "1.16.0 1000 False" {
		t.Errorf("a job in the image said %q", got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	run := id.New()
	if _, err := m.Conn.(driver.Runner).Start(ctx, driver.Job{ID: "z-" + run + "-1", Run: run, Attempt: 1, Command: []string{"sleep", "600"}, Runtime: st.Runtime}); err != nil {
		t.Fatal(err)
	}
	items, err := m.Conn.(driver.Cleaner).Clean(ctx, false)
	if err != nil {
		t.Fatal(err)
	}
	if i := slices.IndexFunc(items, func(it driver.Item) bool { return it.Type == "image" && it.Name == st.Runtime.Image }); i < 0 || !items[i].Removed {
		t.Errorf("Clean did not remove the image %s: %+v", st.Runtime.Image, items)
	}
}
