package synapse_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/drivertest"
	"github.com/zaffre-ml/zaffre/internal/driver/synapse"
	"github.com/zaffre-ml/zaffre/internal/id"
	"github.com/zaffre-ml/zaffre/test/rig"
)

// simulator starts a simulator of Livy's sessions.
func simulator(t *testing.T, args ...string) *rig.LivySessions {
	t.Helper()
	if os.Getenv("TEST_LIVY_SESSIONS") == "" {
		if slices.Contains(strings.Split(os.Getenv("TEST_REQUIRE"), ","), "livysessions") {
			t.Fatal(`TEST_LIVY_SESSIONS is not set; run: eval "$(test/engines/livysessions.sh env)"`)
		}
		t.Skip(`needs Spark and clients of Livy: test/engines/livysessions.sh up; eval "$(test/engines/livysessions.sh env)"`)
	}
	s, err := rig.StartLivySessions(args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

func sessionTarget(url string) driver.Target {
	return driver.Target{ID: "t1", Options: map[string]any{"livy": url}, Secrets: map[string]string{}}
}

func sessions(t *testing.T, target driver.Target) driver.Sessions {
	t.Helper()
	c, err := synapse.Kind().Connect(context.Background(), target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(driver.Sessions)
}

// python is the suite's code in Python.
func python(what string, args ...string) string {
	switch what {
	case "set":
		return args[0] + " = " + args[1]
	case "add":
		return args[0] + " += " + args[1]
	case "value":
		return args[0]
	case "print":
		return "print(" + quoted(args[0]) + ")"
	case "raise":
		return "raise ValueError(" + quoted(args[0]) + ")"
	case "hang":
		return "import time\ntime.sleep(600)"
	}
	return ""
}

func quoted(s string) string { return "'" + s + "'" }

// TestSessions has two clients that are not ours live with the simulator, and then the suite: what the driver calls,
// others have called.
func TestSessions(t *testing.T) {
	t.Parallel()
	foreign := simulator(t)
	cmd := exec.CommandContext(t.Context(), os.Getenv("TEST_LIVY_CLIENTS"), "../../../test/engines/livysessions/clients.py", foreign.URL)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("pylivy and sparkmagic: %v\n%s", err, out)
	}
	s := simulator(t)
	drivertest.RunSessions(t, drivertest.SessionHarness{
		Kind: synapse.Kind(), Target: sessionTarget(s.URL), Language: "pyspark", Code: python,
		Options: map[string]any{"driverMemory": "512m", "conf": map[string]any{"spark.ui.enabled": false}},
		Kill: func(t *testing.T, name string) {
			if err := s.Kill("zaffre.t1." + name); err != nil {
				t.Fatal(err)
			}
		},
	})
	theirs, err := foreign.Calls()
	ours, ourErr := s.Calls()
	if err != nil || ourErr != nil || len(ours) < 8 {
		t.Fatalf("the calls are %v and %v, %v %v", theirs, ours, err, ourErr)
	}
	for route, n := range ours {
		if theirs[route] == 0 {
			t.Errorf("%s was called %d times, and by no client that is not ours", route, n)
		}
	}
}

// TestSimulatorAnswersAsLivy compares what the simulator says of errors with a real Livy, which answers them though
// it cannot run a session. What differs by nature is taken out: numbers and columns.
func TestSimulatorAnswersAsLivy(t *testing.T) {
	t.Parallel()
	s := simulator(t)
	endpoint, _ := livy(t)
	name := "zaffre.compared." + id.New()
	for _, q := range []struct{ method, path, body string }{
		{"GET", "/sessions/" + name, ""},
		{"GET", "/sessions/" + name + "/state", ""},
		{"GET", "/sessions/" + name + "/log", ""},
		{"GET", "/sessions/" + name + "/statements", ""},
		{"GET", "/sessions/" + name + "/statements/0", ""},
		{"DELETE", "/sessions/" + name, ""},
		{"POST", "/sessions/" + name + "/statements", `{"code": "1"}`},
		{"POST", "/sessions/" + name + "/statements/0/cancel", ""},
		{"GET", "/sessions?from=x", ""},
		{"POST", "/sessions", `{"kind": "cobol"}`},
		{"POST", "/sessions", `{"kind": 5}`},
		{"POST", "/sessions", `{"kind": "pyspark", "ttl": "1h"}`},
		{"POST", "/sessions", `{"kind": "pyspark", "name": "7"}`},
		{"POST", "/sessions", `{"kind": "pyspark", "name": "` + name + `", "driverMemory": "512"}`}, // too little: it will die
		{"POST", "/sessions", `{"kind": "pyspark", "name": "` + name + `"}`},
		{"POST", "/sessions/" + name + "/statements", `{"code": "1", "x": 1}`},
		{"", "", ""}, // until it is dead
		{"GET", "/sessions/" + name + "/state", ""},
		{"GET", "/sessions/" + name + "/statements", ""},
		{"GET", "/sessions/" + name + "/statements/0", ""},
		{"POST", "/sessions/" + name + "/statements", `{"code": "1"}`},
		{"POST", "/sessions/" + name + "/statements/0/cancel", ""},
		{"DELETE", "/sessions/" + name, ""},
	} {
		if q.method == "" {
			untilDead(t, s.URL, name)
			untilDead(t, endpoint, name)
			continue
		}
		simulated := said(t, s.URL, q.method, q.path, q.body)
		if real := settled(t, endpoint, q.method, q.path, q.body); real != simulated {
			t.Errorf("%s %s %s\n a real Livy says %s\n the simulator says %s", q.method, q.path, q.body, real, simulated)
		}
	}
}

// settled is the answer of a real Livy, which says for a while that a session is shutting down, also after it was dead,
// and of one that could not begin that it is dead, or killed where it has noticed that it hears nothing before that its
// application has ended.
func settled(t *testing.T, endpoint, method, path, body string) string {
	t.Helper()
	for until := time.Now().Add(3 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		real := said(t, endpoint, method, path, body)
		if !strings.Contains(real, "shutting_down") || time.Now().After(until) {
			return strings.ReplaceAll(real, `"killed"`, `"dead"`)
		}
	}
}

var varying = regexp.MustCompile(`"id":\d+|for session \d+|column: \d+|/sessions/\d+`)

func said(t *testing.T, endpoint, method, path, body string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, endpoint+path, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintln(resp.StatusCode, resp.Header.Get("Content-Type"), varying.ReplaceAllString(string(b), "N"))
}

func untilDead(t *testing.T, endpoint, name string) {
	t.Helper()
	for until := time.Now().Add(3 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		state := said(t, endpoint, "GET", "/sessions/"+name+"/state", "")
		if strings.Contains(state, `"dead"`) || strings.Contains(state, `"killed"`) {
			return
		}
		if time.Now().After(until) {
			t.Fatalf("the session at %s does not die: %s", endpoint, state)
		}
	}
}
