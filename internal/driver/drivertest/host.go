package drivertest

import (
	"bytes"
	"io"
	"net"
	"path"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

func testExec(e *env) {
	host := as[driver.Host](e, e.conn)
	tests := []struct {
		argv     []string
		in       string
		exit     int
		out, err string
	}{
		{argv: []string{"true"}},
		{argv: []string{"sh", "-c", "exit 7"}, exit: 7},
		{argv: []string{"cat"}, in: strings.Repeat("in and out\n", 50000), out: strings.Repeat("in and out\n", 50000)},
		{argv: []string{"sh", "-c", `echo "$1" >&2`, "sh", "it's \"odd\"\n日本"}, err: "it's \"odd\"\n日本\n"},
		{argv: []string{"sh", "-c", "kill -9 $$"}, exit: 137},
	}
	for _, tt := range tests {
		var out, errs bytes.Buffer
		exit, err := host.Exec(e.ctx, tt.argv, driver.Stdio{In: strings.NewReader(tt.in), Out: &out, Err: &errs})
		if err != nil || exit != tt.exit || out.String() != tt.out || errs.String() != tt.err {
			e.Errorf("Exec %q = %d, %v, %d bytes, %q; want %d, %d bytes, %q",
				tt.argv, exit, err, out.Len(), errs.String(), tt.exit, len(tt.out), tt.err)
		}
	}
	_, err := host.Exec(e.ctx, []string{"no-such-program"}, driver.Stdio{})
	e.wantFault(err, fault.Precondition)
}

func testFiles(e *env) {
	host := as[driver.Host](e, e.conn)
	var out bytes.Buffer
	if _, err := host.Exec(e.ctx, []string{"mktemp", "-d"}, driver.Stdio{Out: &out}); err != nil {
		e.Fatal(err)
	}
	dir := strings.TrimSpace(out.String())
	e.Cleanup(func() { _ = host.FS().RemoveAll(e.T.Context(), dir) })
	name, text := path.Join(dir, "a b", "é'\".txt"), strings.Repeat("x", 100_000)+"end"
	if err := host.FS().WriteFile(e.ctx, name, 0o640, strings.NewReader(text)); err != nil {
		e.Fatalf("WriteFile: %v", err)
	}
	if got, err := readAll(host.FS().OpenFile(e.ctx, name, 100_000)); err != nil || got != "end" {
		e.Errorf("OpenFile at an offset = %q, %v", got, err)
	}
	list, err := host.FS().ReadDir(e.ctx, path.Dir(name))
	if err != nil || len(list) != 1 || list[0].Name() != path.Base(name) || list[0].Size() != int64(len(text)) || list[0].Mode() != 0o640 {
		e.Errorf("ReadDir = %+v, %v", list, err)
	}
	for range 2 {
		if err := host.FS().RemoveAll(e.ctx, dir); err != nil {
			e.Errorf("RemoveAll: %v", err)
		}
	}
	_, err = host.FS().OpenFile(e.ctx, name, 0)
	e.wantFault(err, fault.NotFound)
}

func testDial(e *env) {
	host := as[driver.Host](e, e.conn)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		e.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		b, _ := io.ReadAll(c)
		_, _ = c.Write(bytes.ToUpper(b))
	}()
	c, err := host.Dial(e.ctx, "tcp", l.Addr().String())
	if err != nil {
		e.Skipf("the target cannot reach this machine: %v", err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("through")); err != nil {
		e.Fatal(err)
	}
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	if got, err := io.ReadAll(c); err != nil || string(got) != "THROUGH" {
		e.Errorf("the connection answered %q, %v", got, err)
	}
}
