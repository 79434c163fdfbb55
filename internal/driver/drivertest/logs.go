package drivertest

import (
	"context"
	"io"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// logOf reads the log of a job that has ended.
func (e *env) logOf(h driver.Handle) (string, error) {
	r, ok := e.conn.(driver.LogReader)
	if !ok {
		return "", nil
	}
	log, err := readAll(r.ReadLog(e.ctx, h, 0))
	if e.Log != nil {
		log = e.Log(log)
	}
	return log, err
}

func readAll(r io.ReadCloser, err error) (string, error) {
	if err != nil {
		return "", err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	return string(b), err
}

// peek reads what a log has now, of a job that may run: it waits a moment for more.
func (e *env) peek(h driver.Handle) (string, error) {
	if _, err := e.pollOnce(h); err != nil { // as the server does, that a job gets all that it waits for
		return "", err
	}
	ctx, cancel := context.WithTimeout(e.ctx, 300*time.Millisecond)
	defer cancel()
	text, err := readAll(as[driver.LogReader](e, e.conn).ReadLog(ctx, h, 0))
	if ctx.Err() != nil {
		err = nil
	}
	return text, err
}

func (e *env) wantLog(h driver.Handle, want string) {
	e.Helper()
	if _, ok := e.conn.(driver.LogReader); !ok {
		return
	}
	if got, err := e.logOf(h); err != nil || got != want {
		e.Errorf("the log is %q, %v, want %q", got, err, want)
	}
}

func testLogOffsets(e *env) {
	text := "héllo\tworld “quoted” 'single' \\ \r50%\r100%"
	h := e.start(e.job(e.script("print", text)))
	e.end(h)
	whole := text + "\n"
	for _, offset := range []int{0, 1, 2, len(whole) - 1, len(whole), len(whole) + 100} {
		got, err := readAll(as[driver.LogReader](e, e.conn).ReadLog(e.ctx, h, int64(offset)))
		if want := whole[min(offset, len(whole)):]; err != nil || got != want {
			e.Errorf("from offset %d the log is %q, %v, want %q", offset, got, err, want)
		}
	}
	e.crash()
	e.wantLog(h, whole)
}

// testLogCrash: a reader that goes on at its offset after each crash gets every byte once.
func testLogCrash(e *env) {
	j := e.job(e.script("stubborn"))
	j.Grace = 300 * time.Millisecond
	h := e.start(j)
	var got strings.Builder
	e.until("the line", func() bool {
		text, err := e.peek(h)
		if err == nil && strings.HasSuffix(text, "\n") {
			got.WriteString(text)
		}
		return got.Len() > 0
	})
	e.crash()
	r, err := as[driver.LogReader](e, e.conn).ReadLog(e.ctx, h, int64(got.Len()))
	if err != nil {
		e.Fatal(err)
	}
	defer r.Close()
	e.cancel(h)
	e.wantCanceled(h)
	rest, err := io.ReadAll(r)
	if err != nil && fault.CodeOf(err) != fault.Unavailable {
		e.Errorf("the log's end: %v", err)
	}
	got.Write(rest)
	e.wantLog(h, got.String())
}
