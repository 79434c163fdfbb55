package kubernetes_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver/drivertest"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/hostagent"
)

// sameAgent says whether the agent that lies in the pod is the one that came with it.
const sameAgent = `cat /zaffre-agent/*/*/* | gzip -dc 2>/dev/null | cmp -s - /zaffre/bin/agent-*; echo "$? $(ls /zaffre/bin | wc -l) $(ls /zaffre-agent/*/* | wc -l)"`

// TestAgentComesWithThePod: the first run has the agent laid down in the namespace, and the pods of later ones bring it.
// Where a part of it is taken away, it is sent.
func TestAgentComesWithThePod(t *testing.T) {
	t.Parallel()
	if _, packed := hostagent.Packed("amd64"); packed == nil {
		admin(t)
		if slices.Contains(strings.Split(os.Getenv("TEST_REQUIRE"), ","), "agents") {
			t.Fatal("this binary carries no agents: make test, or go test -tags agents")
		}
		t.Skip("needs the agents that a release carries: make agents; go test -tags agents")
	}
	u, _, namespace := fresh(t)
	run := func() string {
		j := drivertest.NewJob("sh", "-c", sameAgent)
		h := u.start(j)
		u.end(j, h)
		said := strings.TrimSpace(u.log(h))
		if err := u.Release(t.Context(), h); err != nil {
			t.Error(err)
		}
		kubectl(t, "", "-n", namespace, "wait", "--for=delete", "pod", "--all", "--timeout=120s") // its node forgets the parts then
		return said
	}
	run()
	parts := func() []string {
		return strings.Fields(kubectl(t, "", "-n", namespace, "get", "configmaps", "-l", "zaffre/agent", "-o", "name"))
	}
	for end := time.Now().Add(3 * time.Minute); len(parts()) < 4 && time.Now().Before(end); <-time.After(100 * time.Millisecond) {
	}
	said := run() // what lays the parts down may not know yet that it has
	if said != "0 1 4" {
		said = run()
	}
	if said != "0 1 4" {
		t.Errorf("with the agent in its pod the run says %q", said)
	}
	kubectl(t, "", "-n", namespace, "delete", parts()[1])
	if said := run(); said != "1 1 3" {
		t.Errorf("with a part of it missing the run says %q", said)
	}
}
