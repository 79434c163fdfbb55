package local_test

import (
	"context"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/agent"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/local"
)

// TestMain makes the test binary the agent where it is started as one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == agent.Verb {
		os.Exit(agent.Main(os.Args[1:]))
	}
	os.Exit(m.Run())
}

func TestSmoke(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c, err := local.Kind().Connect(ctx, driver.Target{ID: "t1", Options: map[string]any{"workDirectory": dir, "user": "same"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	begin := time.Now()
	o, err := c.Observe(ctx)
	t.Log(time.Since(begin), err)
	for _, k := range o.Checks {
		t.Logf("%+v", k)
	}
	t.Logf("%+v", o.Machines)
	t.Logf("%+v", o.Facts)
	r := c.(driver.Runner)
	for range 3 {
		begin = time.Now()
		h, err := r.Start(ctx, driver.Job{ID: "z-1-1", Attempt: 1, Command: []string{"python", "-c", "print('hi')"}})
		if err != nil {
			t.Fatal(err)
		}
		log, err := c.(driver.LogReader).ReadLog(ctx, h, 0)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(log)
		t.Log(time.Since(begin), string(b), err)
		st, err := r.Poll(ctx, h)
		t.Logf("%+v %v", st, err)
		if !strings.Contains(string(b), "hi") {
			t.Error("no hi")
		}
		if err := r.Release(ctx, h); err != nil {
			t.Error(err)
		}
	}
}
