package local_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/relay"
)

const (
	metricPath = "/api/2.0/mlflow/runs/log-metric"
	createPath = "/api/2.0/mlflow/runs/create"
)

var withToken = []string{"Authorization", "Bearer " + runToken}

// bureau is a server behind a link that goes up and down. It counts what arrives as the real one does.
type bureau struct {
	http *httptest.Server
	down atomic.Bool

	mu      sync.Mutex
	conns   []net.Conn
	marks   map[string]int64 // the last sequence by lane
	counted []string         // bodies of writes, each once
	arrived int              // requests
	strange []string         // requests that were not stamped as they should be
	// how answers a write that is counted, or is not; nil: as it should be.
	how func(arrived int, body string) verdict
}

// verdict is what a bureau does with a write.
type verdict struct {
	status int    // 0: it is counted, and answered
	reason string // of another status
	lost   bool   // the answer never arrives
}

func openBureau(t *testing.T) *bureau {
	t.Helper()
	b := &bureau{marks: map[string]int64{}}
	b.http = httptest.NewServer(b)
	t.Cleanup(b.http.Close)
	return b
}

// Home connects to the bureau while the link is up.
func (b *bureau) Home(ctx context.Context) (net.Conn, error) {
	if b.down.Load() {
		return nil, errors.New("the link is down")
	}
	c, err := new(net.Dialer).DialContext(ctx, "tcp", b.http.Listener.Addr().String())
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down.Load() {
		c.Close()
		return nil, errors.New("the link went down")
	}
	b.conns = append(b.conns, c)
	return c, nil
}

// cut takes the link down in the middle of whatever is on it.
func (b *bureau) cut() {
	b.down.Store(true)
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.conns {
		_ = c.Close()
	}
	b.conns = nil
}

func (b *bureau) restore() { b.down.Store(false) }

func (b *bureau) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, _ := io.ReadAll(r.Body)
	v := b.count(r, string(raw))
	if v.lost {
		panic(http.ErrAbortHandler)
	}
	if v.status != 0 {
		w.Header().Set(relay.Reason, v.reason)
		w.WriteHeader(v.status)
		fmt.Fprintf(w, `{"message":"no: %s"}`, v.reason)
		return
	}
	w.Header().Set("X-Answered", "by the server")
	_, _ = io.WriteString(w, "{}\n")
}

func (b *bureau) count(r *http.Request, body string) (v verdict) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.arrived++
	if b.how != nil {
		v = b.how(b.arrived, body)
	}
	_, listed := relay.Find(r.Method, r.URL.Path)
	if r.Header.Get("Authorization") == "" && !listed {
		return v // anybody's
	}
	if r.Header.Get(relay.Attempt) != "1" || !strings.HasPrefix(r.Header.Get(relay.Job), "z-") || r.Header.Get("Authorization") != "Bearer "+runToken {
		b.strange = append(b.strange, body)
	}
	lane := r.Header.Get(relay.Lane)
	n, err := strconv.ParseInt(r.Header.Get(relay.Sequence), 10, 64)
	if listed != (err == nil && lane != "") {
		b.strange = append(b.strange, body)
	}
	if v.status == 0 && err == nil && n > b.marks[lane] {
		b.marks[lane] = n
		b.counted = append(b.counted, body)
	}
	return v
}

// read returns the writes that count, in their order.
func (b *bureau) read() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.counted)
}

func (b *bureau) answer(how func(arrived int, body string) verdict) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.how = how
}

// correspondence is a job's relay and a bureau.
type correspondence struct {
	*errand
	*bureau
	written []string // that were answered
}

func correspond(t *testing.T, env map[string]string) *correspondence {
	t.Helper()
	t.Parallel()
	b := openBureau(t)
	return &correspondence{errand: openErrandTo(open(t, "same"), b.Home, env), bureau: b}
}

// write logs n things, and wants each answered at once.
func (c *correspondence) write(n int) {
	c.Helper()
	for range n {
		body := fmt.Sprintf("write %d", len(c.written))
		got := c.ask("POST", metricPath, body, withToken...)
		if got.status != 200 || strings.TrimSpace(got.body) != "{}" {
			c.Fatalf("%s: %+v", body, got)
		}
		c.written = append(c.written, body)
	}
}

// arrive waits until all that was written has arrived: once each, and in order.
func (c *correspondence) arrive() {
	c.Helper()
	c.until("the writes", func() bool { return len(c.read()) >= len(c.written) })
	if diff := cmp.Diff(c.written, c.read()); diff != "" {
		c.Fatalf("writes (-want +got):\n%s", diff)
	}
	c.until("an empty spool", func() bool { return len(c.spool()) == 0 })
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.strange) > 0 {
		c.Errorf("not stamped as they should be: %q", c.strange)
	}
}

// spool returns the files of the job's spool.
func (c *correspondence) spool() []string {
	files, _ := filepath.Glob(filepath.Join(c.errand.dir, "spool", "*"))
	return files
}

func (c *correspondence) log() string { return read(c.T, filepath.Join(c.errand.dir, "log")) }

// kill kills the job's supervisor and waits for the next one.
func (c *correspondence) kill() {
	c.Helper()
	old := read(c.T, filepath.Join(c.errand.dir, "lock"))
	pid, err := strconv.Atoi(old)
	if err != nil {
		c.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		c.Fatal(err)
	}
	c.until("another supervisor", func() bool {
		_, _ = c.Poll(c.ctx, c.h) // after five deaths only this makes another
		now := read(c.T, filepath.Join(c.errand.dir, "lock"))
		return now != "" && now != old && c.ask("GET", "/strangers", "").status == 401
	})
}

// TestSpoolWhileTheLinkIsDown: writes are answered at once and arrive in order, and what comes after them waits.
func TestSpoolWhileTheLinkIsDown(t *testing.T) {
	c := correspond(t, nil)
	c.write(3)
	c.until("an answer of the server's", func() bool { // which may take it too long for once
		body := fmt.Sprintf("write %d", len(c.written))
		c.written = append(c.written, body)
		return !c.ask("POST", metricPath, body, withToken...).stale
	})
	for range 3 {
		c.cut()
		c.write(40)
		if got := c.read(); len(got) > len(c.written)-40 {
			t.Fatalf("%d writes arrived over a link that is down", len(got))
		}
		later := make(chan answer)
		go func() { later <- c.ask("POST", createPath, "a run", withToken...) }()
		c.write(10)
		select {
		case got := <-later:
			t.Fatalf("a request that the server must answer is answered without it: %+v", got)
		case <-time.After(200 * time.Millisecond):
		}
		c.restore()
		if got := <-later; got.status != 200 || len(c.read()) < len(c.written) {
			t.Errorf("what came after them is answered with %+v when %d of %d had arrived", got, len(c.read()), len(c.written))
		}
		c.arrive()
		c.write(1)
	}
	c.arrive()
}

// TestSpoolWhileTheAgentIsAway: the same where there is no agent at all, and many write at once.
func TestSpoolWhileTheAgentIsAway(t *testing.T) {
	c := correspond(t, nil)
	_ = c.Close()
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 20 {
				if got := c.ask("POST", metricPath, fmt.Sprintf("%d %02d", w, i), withToken...); got.status != 200 {
					t.Errorf("%+v", got)
				}
			}
		})
	}
	wg.Wait()
	c.reconnect()
	if _, err := c.Poll(c.ctx, c.h); err != nil { // the first call starts the agent
		t.Fatal(err)
	}
	c.until("160 writes", func() bool { return len(c.read()) >= 160 })
	last := map[string]string{}
	for _, body := range c.read() {
		w, n, _ := strings.Cut(body, " ")
		if n <= last[w] {
			t.Errorf("%s of %s comes after %s", n, w, last[w])
		}
		last[w] = n
	}
	if n := len(c.read()); n != 160 {
		t.Errorf("%d writes arrived, want 160", n)
	}
}

// TestSpoolOfWhoWritesAhead: azureml-core sends batches of metrics without waiting for answers. They arrive in the order in
// which they were sent, also where the server fails at the first of them and not at the next.
func TestSpoolOfWhoWritesAhead(t *testing.T) {
	c := correspond(t, nil)
	var answers sync.WaitGroup
	post := func() {
		body := fmt.Sprintf("batch %d", len(c.written))
		c.written = append(c.written, body)
		answers.Go(func() {
			if got := c.ask("POST", "/metric/v2.0"+workspacePath+"/runs/r/batch", body, withToken...); got.status != 200 {
				t.Errorf("%s: %+v", body, got)
			}
		})
	}
	for range 8 {
		here, failing := make(chan struct{}), make(chan struct{})
		var first sync.Once
		c.answer(func(int, string) (v verdict) {
			first.Do(func() {
				close(here)
				<-failing
				v.status = http.StatusServiceUnavailable
			})
			return v
		})
		post()
		<-here
		post()
		time.Sleep(50 * time.Millisecond) // it could overtake
		close(failing)
		answers.Wait()
		c.arrive()
	}
}

// TestSpoolLosesNoAnswer: the server has counted a write and dies before it says so; it is away, or too busy.
func TestSpoolLosesNoAnswer(t *testing.T) {
	c := correspond(t, nil)
	c.answer(func(n int, _ string) verdict {
		return []verdict{{}, {lost: true}, {status: 503}, {status: 429}, {}, {lost: true}, {status: 401}, {status: 500}}[n%8]
	})
	c.cut() // who writes directly is told of 401 and 500
	c.write(12)
	c.restore()
	c.arrive()
	c.answer(func(n int, _ string) verdict { return verdict{lost: n%2 == 0} })
	c.write(20)
	c.arrive()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.arrived <= len(c.written)+5 {
		t.Errorf("%d requests for %d writes: no answer was lost", c.arrived, len(c.written))
	}
}

// TestSpoolOutlivesItsSupervisor kills it while it keeps writes and while it sends them; the last file's end is torn.
func TestSpoolOutlivesItsSupervisor(t *testing.T) {
	c := correspond(t, nil)
	c.write(2)
	for round := range 3 {
		c.cut()
		c.write(30)
		files := c.spool()
		if len(files) == 0 {
			t.Fatal("nothing is kept")
		}
		f, err := os.OpenFile(files[len(files)-1], os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		torn := []string{"0000", "000001f400000000{\"method\":\"PO", strings.Repeat("\x00", 500)}[round]
		if _, err := f.WriteString(torn); err != nil {
			t.Fatal(err)
		}
		f.Close()
		c.kill()
		c.write(10)
		c.answer(func(n int, _ string) verdict {
			if n%7 == 0 {
				c.down.Store(true) // in the middle of it
				return verdict{lost: true}
			}
			return verdict{}
		})
		c.restore()
		c.until("the link to break", c.down.Load)
		c.kill()
		c.answer(nil)
		c.restore()
		c.arrive()
	}
}

// TestSpoolOutlivesTheAgent kills the agent in the middle of sending.
func TestSpoolOutlivesTheAgent(t *testing.T) {
	c := correspond(t, nil)
	for range 3 {
		c.cut()
		c.write(30)
		begun := make(chan struct{})
		once := sync.OnceFunc(func() { close(begun) })
		c.answer(func(n int, _ string) verdict { once(); return verdict{lost: n%5 == 0} })
		c.restore()
		<-begun
		crash(t, c)
		c.write(5)
		c.until("the next agent", func() bool { _, err := c.Poll(c.ctx, c.h); return err == nil })
		c.arrive()
	}
}

// TestSpoolIsSentAfterTheEnd: a job ends while the link is down; its end is told at once, and its folder stays until the
// server has all.
func TestSpoolIsSentAfterTheEnd(t *testing.T) {
	c := correspond(t, nil)
	c.cut()
	c.write(30)
	c.answer(func(n int, body string) verdict {
		if body == "write 7" {
			return verdict{status: 400, reason: "ParamChanged"}
		}
		return verdict{lost: n%9 == 0}
	})
	if err := c.Cancel(c.ctx, c.h); err != nil {
		t.Fatal(err)
	}
	if st := wait(c.ctx, t, c, c.h); st.State != driver.JobCanceled {
		t.Errorf("the job is %+v", st)
	}
	c.ctxFor(500*time.Millisecond, func(ctx context.Context) {
		if err := c.Release(ctx, c.h); err == nil {
			t.Error("the job is released with its writes")
		}
	})
	crash(t, c)
	c.restore()
	c.written = slices.Delete(c.written, 7, 8)
	var log string
	c.until("the release", func() bool {
		log = c.readAll()
		err := c.Release(c.ctx, c.h)
		if err != nil && fault.CodeOf(err) != fault.Unavailable {
			t.Fatal(err)
		}
		return err == nil
	})
	c.arrive()
	if n := strings.Count(log, "zaffre: the server refused a write that had waited for it (metric (MLflow)): 400 no: ParamChanged\n"); n != 1 {
		t.Errorf("the log tells %d times of the write that was refused:\n%s", n, log)
	}
	if _, err := os.Stat(c.errand.dir); !os.IsNotExist(err) {
		t.Errorf("the folder of a released job: %v", err)
	}
}

func (c *correspondence) ctxFor(d time.Duration, f func(context.Context)) {
	ctx, cancel := context.WithTimeout(c.ctx, d)
	defer cancel()
	f(ctx)
}

// readAll reads the log to its end.
func (c *correspondence) readAll() string {
	r, err := c.ReadLog(c.ctx, c.h, 0)
	if err != nil {
		return ""
	}
	defer r.Close()
	b, _ := io.ReadAll(r)
	return string(b)
}

// TestSpoolOfALostJob: the machine was restarted; what the job had written before arrives all the same.
func TestSpoolOfALostJob(t *testing.T) {
	c := correspond(t, nil)
	c.cut()
	c.write(20)
	restart(t, c.target)
	c.until("the loss", func() bool {
		st, err := c.Poll(c.ctx, c.h)
		return err == nil && st.State == driver.JobLost
	})
	c.restore()
	c.until("the release", func() bool { return c.Release(c.ctx, c.h) == nil })
	c.arrive()
}

// TestSpoolRefused: what the server refuses is said in the log and is not sent again, and what comes after it is.
func TestSpoolRefused(t *testing.T) {
	c := correspond(t, nil)
	c.cut()
	c.write(10)
	c.answer(func(_ int, body string) verdict {
		return map[string]verdict{"write 3": {status: 404, reason: "RunNotFound"}, "write 5": {status: 412, reason: "RunDeleted"}}[body]
	})
	c.restore()
	c.written = []string{"write 0", "write 1", "write 2", "write 4", "write 6", "write 7", "write 8", "write 9"}
	c.arrive()
	if log := c.log(); strings.Count(log, "the server refused a write") != 2 || !strings.Contains(log, ": 404 no: RunNotFound\n") {
		t.Errorf("the log is %s", log)
	}
}

// TestSpoolFenced: another attempt goes on, and nothing more of this one is sent.
func TestSpoolFenced(t *testing.T) {
	c := correspond(t, nil)
	c.cut()
	c.write(10)
	c.answer(func(n int, body string) verdict {
		if body < "write 4" {
			return verdict{}
		}
		return verdict{status: 400, reason: "Fenced"}
	})
	c.restore()
	c.written = c.written[:4]
	c.arrive()
	c.until("a word in the log", func() bool {
		return strings.Count(c.log(), "zaffre: 6 writes that waited for the server are dropped: 400 no: Fenced\n") == 1
	})
	if got := c.ask("POST", metricPath, "write 9", withToken...); got.status != 400 {
		t.Errorf("what it writes now is answered with %+v", got)
	}
}

// TestSpoolFull: the log says so once, and what does not fit waits until there is room.
func TestSpoolFull(t *testing.T) {
	c := correspond(t, map[string]string{"ZAFFRE_SPOOL_BYTES": "4000"})
	c.cut()
	var waits chan answer
	for waits == nil {
		body := fmt.Sprintf("write %d", len(c.written))
		got := make(chan answer, 1)
		go func() { got <- c.ask("POST", metricPath, body, withToken...) }()
		select {
		case a := <-got:
			if a.status != 200 {
				t.Fatalf("%+v", a)
			}
			c.written = append(c.written, body)
		case <-c.said("the server is away, and as much is kept"):
			waits = got
		}
	}
	if n := len(c.written); n < 10 || n > 40 {
		t.Errorf("%d writes are kept in 4000 bytes", n)
	}
	c.stay(waits)
	c.restore()
	c.until("the writes", func() bool { return len(c.read()) >= len(c.written) })
	if diff := cmp.Diff(c.written, c.read()[:len(c.written)]); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
	if n := strings.Count(c.log(), "as much is kept"); n != 1 {
		t.Errorf("the log says it %d times", n)
	}
}

// stay waits a moment: who waits is not answered without the server.
func (c *correspondence) stay(waits <-chan answer) {
	c.Helper()
	select {
	case a := <-waits:
		c.Errorf("what does not fit is answered with %+v", a)
	case <-time.After(300 * time.Millisecond):
	}
}

// said returns a channel that closes when the job's log has a text, or the test ends.
func (c *correspondence) said(text string) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for tick := time.NewTicker(20 * time.Millisecond); ; {
			b, _ := os.ReadFile(filepath.Join(c.errand.dir, "log"))
			if bytes.Contains(b, []byte(text)) {
				return
			}
			select {
			case <-tick.C:
			case <-c.ctx.Done():
				return
			}
		}
	}()
	return done
}

// onSmallDisk returns a target whose work directory is a disk of its own.
func onSmallDisk(t *testing.T, size string) (b *bench, disk string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a small disk")
	}
	b = open(t, "same")
	disk = b.target.Options["workDirectory"].(string)
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, size+",mode=755"); err != nil {
		t.Skip("no small disk can be mounted: ", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(disk, syscall.MNT_DETACH) })
	return b, disk
}

// fill takes all room that a disk has, and returns the file that holds it.
func fill(t *testing.T, disk string) (ballast string) {
	t.Helper()
	ballast = filepath.Join(disk, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	return ballast
}

// TestFullDiskAnswers: a machine whose disk takes no byte more, or no file more, answers of its jobs, or says that, also when
// its agent has to be started anew. With room again all goes on.
func TestFullDiskAnswers(t *testing.T) {
	t.Parallel()
	for _, size := range []string{"size=64m", "size=64m,nr_inodes=200"} {
		b, disk := onSmallDisk(t, size)
		h, err := b.Start(b.ctx, newJob("sleep", "60"))
		if err != nil {
			t.Fatal(err)
		}
		b.until("the run", func() bool { st, err := b.Poll(b.ctx, h); return err == nil && st.State == driver.JobRunning })
		crash(t, b)
		room := []string{fill(t, disk)}
		for i := 0; err == nil && i < 500; i++ {
			room = append(room, filepath.Join(disk, fmt.Sprint("file", i)))
			err = os.WriteFile(room[i+1], nil, 0o600)
		}
		for what, call := range map[string]func() error{
			"Poll": func() error { _, err := b.Poll(b.ctx, h); return err }, "Cancel": func() error { return b.Cancel(b.ctx, h) }, "Release": func() error { return b.Release(b.ctx, h) },
		} {
			err := call()
			if fault.CodeOf(err) == fault.Unavailable || fault.CodeOf(err) == fault.Internal {
				t.Errorf("%s: %s says %+v", size, what, fault.From(err))
			}
		}
		for _, name := range room {
			_ = os.Remove(name)
		}
		b.until("the end", func() bool {
			if err := b.Cancel(b.ctx, h); err != nil && fault.ReasonOf(err) != "DiskFull" {
				t.Fatal(err)
			}
			st, err := b.Poll(b.ctx, h)
			return err == nil && st.State == driver.JobCanceled
		})
	}
}

// TestSpoolOnAFullDisk: the same where the disk is the limit.
func TestSpoolOnAFullDisk(t *testing.T) {
	t.Parallel()
	b, disk := onSmallDisk(t, "size=64m")
	office := openBureau(t)
	c := &correspondence{errand: openErrandTo(b, office.Home, nil), bureau: office}
	c.cut()
	c.write(10)
	ballast := fill(t, disk)
	big := strings.Repeat("x", 32<<10) // more than is left of the last page
	waits := make(chan answer, 1)
	go func() { waits <- c.ask("POST", metricPath, big, withToken...) }()
	c.stay(waits)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if a := <-waits; a.status != 200 {
		t.Errorf("with room again: %+v", a)
	}
	c.written = append(c.written, big)
	c.write(5)
	c.restore()
	c.arrive()
	if log := c.log(); strings.Count(log, "the disk of the run's folder is full") != 1 {
		t.Errorf("the log is %s", log)
	}
}

// TestSpoolIsPrivate: nobody else can read it, it holds no token, and nobody without the token writes by it.
func TestSpoolIsPrivate(t *testing.T) {
	c := correspond(t, nil)
	c.cut()
	c.write(3)
	for _, path := range []string{
		metricPath, "/metadata/.." + metricPath, "/metadata" + metricPath, "/discovery/x" + metricPath,
		"/api/2.0/mlflow-artifacts/artifacts/zs_a" + metricPath,
	} {
		c.ctxFor(300*time.Millisecond, func(ctx context.Context) {
			stranger := *c.errand
			other := *stranger.bench
			other.ctx, stranger.bench = ctx, &other
			if got := stranger.ask("POST", path, "stranger"); got.status == 200 {
				t.Errorf("a stranger's write to %s is answered with %+v", path, got)
			}
		})
	}
	err := filepath.WalkDir(filepath.Join(c.errand.dir, "spool"), func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		if want := map[bool]fs.FileMode{true: 0o700, false: 0o600}[d.IsDir()]; fi.Mode().Perm() != want {
			t.Errorf("%s is %v", name, fi.Mode())
		}
		if !d.IsDir() && strings.Contains(read(t, name), runToken) {
			t.Errorf("the token is in %s", name)
		}
		return nil
	})
	if err != nil || len(c.spool()) == 0 {
		t.Errorf("%v, %v", c.spool(), err)
	}
	c.restore()
	c.arrive()
}

// TestLogBytesSurvive: what a job prints while there is no link is on its disk, and is read from where one was.
func TestLogBytesSurvive(t *testing.T) {
	t.Parallel()
	b := open(t, "same")
	j := newJob("sh", "-c", `echo before; while [ ! -e go ]; do sleep 0.05; done; for i in 1 2 3; do echo "line $i"; done; touch done; exec sleep 60`)
	h, err := b.Start(b.ctx, j)
	if err != nil {
		t.Fatal(err)
	}
	b.lines(h, "before")
	crash(t, b)
	_ = b.Close()
	dir := filepath.Join(b.target.Options["workDirectory"].(string), "jobs", j.ID, "code")
	if err := os.WriteFile(filepath.Join(dir, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	e := &errand{bench: b}
	e.until("the lines", func() bool { _, err := os.Stat(filepath.Join(dir, "done")); return err == nil })
	b.reconnect()
	r, err := b.ReadLog(b.ctx, h, int64(len("before\n")))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got := make([]byte, len("line 1\nline 2\nline 3\n"))
	if _, err := io.ReadFull(r, got); err != nil || string(got) != "line 1\nline 2\nline 3\n" {
		t.Errorf("%q, %v", got, err)
	}
}
