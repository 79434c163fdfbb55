package synapse_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/drivertest"
	"github.com/zaffre-ml/zaffre/internal/driver/synapse"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

func TestRemoteConformance(t *testing.T) {
	drivertest.Run(t, func(t *testing.T) drivertest.Harness {
		good := remote(t)
		alias := good
		alias.ID += "b"
		change := func(name, check string, code fault.Code, reason string, changes map[string]any) drivertest.Refusal {
			return drivertest.Refusal{Name: name, Target: with(good, changes), Check: check, Code: code, Reason: reason}
		}
		return drivertest.Harness{
			Kind: synapse.Kind(), Target: good, Alias: &alias, Script: drivertest.POSIX, Definition: withClient,
			Crash: func(t *testing.T, _ driver.Conn) { crash(t, good) },
			Refusals: []drivertest.Refusal{
				change("two ways", "", fault.Invalid, "OptionInvalid", map[string]any{"livy": "https://spark.example.com"}),
				change("a token in the clear", "", fault.Invalid, "OptionInvalid", map[string]any{"connect": "sc://localhost:1/;token=canary"}),
				change("no URL", "", fault.Invalid, "OptionInvalid", map[string]any{"connect": "http://localhost:1"}),
				change("a password", "", fault.Invalid, "OptionInvalid", map[string]any{"administratorAccount.password": "p"}),
				change("nobody listens", "connection", fault.Unavailable, "ConnectAway", map[string]any{"connect": "sc://localhost:1"}),
				change("wrong token", "login", fault.Unauthorized, "TokenRefused", map[string]any{"bearerToken": "wrong-canary"}),
				change("no token", "login", fault.Unauthorized, "TokenRefused", map[string]any{"bearerToken": ""}),
				change("no TLS", "login", fault.Precondition, "NotSparkConnect", map[string]any{"connect": strings.Replace(good.Options["connect"].(string), "localhost", "127.0.0.1", 1)}),
				change("no work directory", "work-directory", fault.Precondition, "WorkDirectoryNotFolder", map[string]any{"workDirectory": "/dev/null/x"}),
			},
		}
	})
}

// withClient is definition with a Python that has Spark's client.
func withClient(what string) *driver.Definition {
	d := definition(what)
	if what == "tiny" {
		d.Interpreter = os.Getenv("ENGINES_SPARKCONNECT_PYTHON")
	}
	return d
}

// count is a script that uses Spark.
const count = `
from pyspark.sql import SparkSession
s = SparkSession.builder.getOrCreate()
print("count", s.range(41).count() + 1, flush=True)
`

func TestRemoteRuns(t *testing.T) {
	target := remote(t)
	c := connect(t, target)
	o, err := c.Observe(t.Context())
	if err != nil || !o.Ready || !strings.HasPrefix(o.Facts["spark.version"], "4.") || len(o.Machines) != 1 {
		t.Fatalf("the target is %+v, %v", o, err)
	}
	last := o.Checks[len(o.Checks)-1]
	if last.Name != "pyspark" || !last.OK || strings.Contains(fmt.Sprintf("%+v", o), target.Secrets["bearerToken"]) {
		t.Errorf("it says %+v", o)
	}
	h := drivertest.Started(t, c, drivertest.NewJob("python", "-c", count))
	if st := drivertest.Await(t, c, h, drivertest.Final); st.State != driver.JobDone || !strings.Contains(drivertest.Log(t, c, h, 0), "count 42") {
		t.Errorf("the job is %+v\n%s", st, drivertest.Log(t, c, h, 0))
	}
	_, err = c.Start(t.Context(), withOptions(drivertest.NewJob("python", "-c", count), map[string]any{"driverMemory": "1g"}))
	drivertest.WantReason(t, err, fault.Unsupported, "TaskUnsupported")
	bare := drivertest.NewJob("python", "-c", count)
	bare.Runtime.Python = bareOf(t)
	_, err = c.Start(t.Context(), bare)
	drivertest.WantReason(t, err, fault.Precondition, "PySparkMissing")
	bare.Runtime.Python = "/no/such/python"
	_, err = c.Start(t.Context(), bare)
	drivertest.WantReason(t, err, fault.Precondition, "PythonMissing")
	image := drivertest.NewJob("python", "-c", count)
	image.Runtime.Image = "x"
	_, err = c.Start(t.Context(), image)
	drivertest.WantReason(t, err, fault.Unsupported, "ImagesUnsupported")
}

// bareOf returns a Python that has no packages.
func bareOf(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "python")
	if err := os.WriteFile(name, []byte("#!/bin/sh\nexec "+os.Getenv("ENGINES_SPARKCONNECT_PYTHON")+" -I -S \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestRemoteHere: where no host is named, the server's own machine is taken.
func TestRemoteHere(t *testing.T) {
	target := remote(t)
	host := target.On["host"][0]
	target.On = nil
	_, err := synapse.Kind().Connect(t.Context(), target)
	drivertest.WantReason(t, err, fault.Invalid, "OptionInvalid")
	target.Here = func(context.Context) (driver.Conn, error) { return host, nil }
	if o, err := connect(t, target).Observe(t.Context()); err != nil || !o.Ready {
		t.Errorf("the target is %+v, %v", o, err)
	}
}

// TestRemoteGone: the server dies and comes back.
func TestRemoteGone(t *testing.T) {
	target := remote(t)
	engine := drivertest.Need(t, "ENGINES_SPARKCONNECT", "sparkconnect")
	verb := func(v string) {
		if out, err := exec.CommandContext(t.Context(), "bash", engine, v).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", v, err, out)
		}
	}
	c := connect(t, target)
	verb("crash")
	_, err := c.Observe(t.Context())
	drivertest.WantReason(t, err, fault.Unavailable, "ConnectAway")
	h := drivertest.Started(t, c, drivertest.NewJob("sleep", "600"))
	if st := drivertest.Await(t, c, h, drivertest.Running); st.State != driver.JobRunning {
		t.Errorf("the job is %+v", st)
	}
	verb("up")
	if o, err := c.Observe(t.Context()); err != nil || !o.Ready {
		t.Errorf("with the server again the target is %+v, %v", o, err)
	}
	if err := c.Cancel(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	drivertest.Await(t, c, h, drivertest.Final)
}

// TestRemoteAnswers reads what others answer that listen there.
func TestRemoteAnswers(t *testing.T) {
	t.Parallel()
	hole, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer hole.Close()
	go func() { // says something else, as an sshd does
		for {
			c, err := hole.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "SSH-2.0-x\r\n")
			c.Close()
		}
	}()
	grpc := func(status, said string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/grpc")
			w.Header().Set("Grpc-Status", status)
			w.Header().Set("Grpc-Message", said)
		})
	}
	for _, tt := range []struct {
		name, address string
		code          fault.Code
		reason        string
	}{
		{"another protocol", hole.Addr().String(), fault.Precondition, "NotSparkConnect"},
		{"no gRPC", serve(t, http.NotFoundHandler()), fault.Precondition, "NotSparkConnect"},
		{"no such service", serve(t, grpc("12", "unknown service")), fault.Precondition, "NotSparkConnect"},
		{"forbidden", serve(t, grpc("7", "no")), fault.Denied, "PermissionMissing"},
		{"broken", serve(t, grpc("13", "oops")), fault.Unavailable, "ConnectFailed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			target := onMachine(t, map[string]string{"connect": "sc://" + tt.address}, nil)
			_, err := connect(t, target).Observe(t.Context())
			drivertest.WantReason(t, err, tt.code, tt.reason)
		})
	}
	t.Run("a certificate of nobody", func(t *testing.T) {
		s := httptest.NewUnstartedServer(grpc("0", ""))
		s.EnableHTTP2 = true
		s.StartTLS()
		t.Cleanup(s.Close)
		u, _ := url.Parse(s.URL)
		target := onMachine(t, map[string]string{"connect": "sc://" + u.Host + "/;use_ssl=true"}, nil)
		_, err := connect(t, target).Observe(t.Context())
		drivertest.WantReason(t, err, fault.Precondition, "CertificateRefused")
	})
}

// serve returns the address of a server that speaks HTTP/2 in the clear.
func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

func TestRemoteSessions(t *testing.T) {
	target := remote(t)
	drivertest.RunSessions(t, drivertest.SessionHarness{
		Kind: synapse.Kind(), Target: target, Language: "pyspark", Code: python,
		Kill: func(t *testing.T, name string) { kill(t, interpreter(name)) },
	})
}

func TestRemoteSessionsOfOtherLanguages(t *testing.T) {
	target := remote(t)
	c := connect(t, target).(driver.Sessions)
	_, err := c.StartSession(t.Context(), driver.Session{Name: "r", Language: "sparkr"})
	drivertest.WantReason(t, err, fault.Unsupported, "LanguageUnsupported")
	_, err = c.StartSession(t.Context(), driver.Session{Name: "../r", Language: "sql"})
	drivertest.WantReason(t, err, fault.Invalid, "SessionNameInvalid")
	_, err = c.StartSession(t.Context(), driver.Session{Name: "r", Language: "sql", Options: map[string]any{"numExecutors": int64(2)}})
	drivertest.WantReason(t, err, fault.Unsupported, "TaskUnsupported")
	session(t, c, driver.Session{Name: "q", Language: "sql", Options: map[string]any{"idleTimeout": 15 * time.Second}})
	st := stated(t, c, "q", 0, "SELECT id, id * 2 AS twice FROM range(3)")
	if st.State != driver.StatementDone || !strings.Contains(st.Output["text/plain"], "id  twice\n0   0") || !strings.Contains(st.Output["application/json"], `"data": [[0, 0], [1, 2], [2, 4]]`) {
		t.Errorf("the table is %+v", st)
	}
	if st := stated(t, c, "q", 1, "SELECT nothing"); st.State != driver.StatementFailed || st.Error == "" {
		t.Errorf("a query that is wrong is %+v", st)
	}
	if st := stands(t, c, "q", driver.SessionDead); st.Reason != "SessionExpired" {
		t.Errorf("after its time the session is %+v", st)
	}
	_, err = c.BeginStatement(t.Context(), "q", 2, "SELECT 1")
	drivertest.WantReason(t, err, fault.Precondition, "SessionExpired")
	bare := connect(t, with(target, map[string]any{"python": bareOf(t)})).(driver.Sessions)
	_, err = bare.StartSession(t.Context(), driver.Session{Name: "bare", Language: "pyspark"})
	drivertest.WantReason(t, err, fault.Precondition, "PySparkMissing")
}
