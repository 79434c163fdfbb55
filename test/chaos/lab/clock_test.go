package lab_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/test/chaos/lab"
)

// TestMain is also the process whose clock is set: it tells the time, in seconds, whenever it is asked.
func TestMain(m *testing.M) {
	if os.Getenv("LAB_TELLS_TIME") == "" {
		os.Exit(m.Run())
	}
	begun := time.Now()
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		fmt.Println(time.Now().Unix(), int(time.Since(begun).Seconds()))
	}
}

func TestJump(t *testing.T) {
	t.Parallel()
	if !lab.CanJump {
		t.Skip("needs amd64")
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "LAB_TELLS_TIME=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(out)
	ask := func() (ahead time.Duration, measured int) {
		t.Helper()
		fmt.Fprintln(in)
		var now int64
		if !lines.Scan() {
			t.Fatalf("it tells no time: %v", lines.Err())
		}
		if _, err := fmt.Sscan(lines.Text(), &now, &measured); err != nil {
			t.Fatal(err)
		}
		return time.Until(time.Unix(now, 0)), measured
	}
	ask() // it runs
	for _, jump := range []time.Duration{time.Hour, -2 * time.Hour, 0} {
		if err := lab.Jump(cmd.Process.Pid, jump); err != nil {
			t.Fatal(err)
		}
		ahead, measured := ask()
		if off := (ahead - jump).Abs(); off > 10*time.Minute {
			t.Errorf("after a jump of %s its clock is off by %s", jump, ahead)
		}
		if measured < 0 || measured > 1000 {
			t.Errorf("after a jump of %s it measures %d s", jump, measured)
		}
	}
}
