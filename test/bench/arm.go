package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/test/rig"
)

const (
	manyComputes = 1000
	armGoal      = 5 * time.Millisecond
)

// azure is the face of Azure Resource Manager of a server, or the same answers by net/http alone.
type azure struct {
	http        *http.Client
	root, token string
}

// get reads an answer to its end.
func (a azure) get(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.root+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+a.token)
	resp, err := a.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", path, resp.Status)
	}
	return b, err
}

// armTimes measures reads of Azure's face with many compute targets: by one client, by several that pause
// between requests, and by several that do not.
func armTimes(ctx context.Context, b *bench) ([]Figure, error) {
	ours, stop, err := b.withComputes(ctx)
	if err != nil {
		return nil, err
	}
	defer stop()
	var figures []Figure
	for _, c := range []struct{ what, path string }{
		{"ARM GET of a compute target", "/computes/vm-0500?api-version=2020-02-02"},
		{"ARM list of compute targets, a page of 50", "/computes?api-version=2020-02-02"},
	} {
		bare, end, err := bareOf(ctx, ours, c.path)
		if err != nil {
			return figures, err
		}
		for _, m := range []struct {
			how     string
			clients int
			pause   time.Duration
			goal    bool
		}{{"one client", 1, 0, true}, {"8 clients, 100 a second", 8, 80 * time.Millisecond, true}, {"4 clients without a pause", 4, 0, true}} {
			f, err := armFigure(ctx, b, ours, bare, c.path, m.clients, m.pause)
			if err != nil {
				end()
				return figures, err
			}
			f.What = fmt.Sprintf("%s, of %d, %s", c.what, manyComputes, m.how)
			figures = append(figures, f)
		}
		end()
	}
	return figures, nil
}

func armFigure(ctx context.Context, b *bench, ours, bare azure, path string, clients int, pause time.Duration) (Figure, error) {
	n := b.times(3000, 800)
	z, err := asks(ctx, ours, path, clients, n, pause)
	if err != nil {
		return Figure{}, err
	}
	h, err := asks(ctx, bare, path, clients, n, pause)
	if err != nil {
		return Figure{}, err
	}
	zp, hp := rig.Percentile(z, 99), rig.Percentile(h, 99)
	return Figure{
		Zaffre: fmt.Sprintf("%s, p99 %s", ms(middle(z)), ms(zp)), Peer: fmt.Sprintf("net/http %s, p99 %s", ms(middle(h)), ms(hp)),
		Ratio: ratio(middle(z), middle(h)), Goal: "p99 < 5 ms", OK: new(zp < armGoal),
		Values: map[string]float64{"p50": millis(middle(z)), "p99": millis(zp), "bare_p50": millis(middle(h)), "bare_p99": millis(hp)},
	}, nil
}

// asks has clients ask n times together and returns how long each answer took. Those that pause ask at
// moments of their own, whatever the answers take.
func asks(ctx context.Context, a azure, path string, clients, n int, pause time.Duration) ([]time.Duration, error) {
	each := n / clients
	if pause > 0 {
		each = min(each, int(8*time.Second/pause))
	}
	var mu sync.Mutex
	var took []time.Duration
	var failed error
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			mine, err := asksOf(ctx, a, path, each, pause, pause*time.Duration(c)/time.Duration(clients))
			mu.Lock()
			defer mu.Unlock()
			took = append(took, mine...)
			if err != nil {
				failed = err
			}
		})
	}
	wg.Wait()
	return took, failed
}

func asksOf(ctx context.Context, a azure, path string, n int, interval, first time.Duration) ([]time.Duration, error) {
	var took []time.Duration
	begin := time.Now().Add(first)
	for i := range n {
		if interval > 0 {
			if err := pause(ctx, time.Until(begin.Add(time.Duration(i)*interval))); err != nil {
				return took, err
			}
		}
		at := time.Now()
		if _, err := a.get(ctx, path); err != nil {
			return took, err
		}
		if i > 0 { // the first one connects
			took = append(took, time.Since(at))
		}
	}
	return took, nil
}

// withComputes starts a server with many compute targets that nobody looks at.
func (b *bench) withComputes(ctx context.Context) (azure, func(), error) {
	s, err := b.serve(ctx, rig.Options{})
	if err != nil {
		return azure{}, nil, err
	}
	s.Stop()
	fill := exec.CommandContext(ctx, "go", "run", "./test/bench/fill", "-data", s.Data, "-workspace", s.WS, "-computes", strconv.Itoa(manyComputes))
	fill.Dir, fill.Stderr = b.root, os.Stderr
	if err := fill.Run(); err != nil {
		return azure{}, nil, err
	}
	if s, err = b.serve(ctx, rig.Options{Data: s.Data, Port: s.Port}); err != nil {
		return azure{}, nil, err
	}
	p, err := client.Load(s.Data)
	if err != nil {
		return azure{}, s.Stop, err
	}
	pool, err := poolFrom(p.CA)
	if err != nil {
		return azure{}, s.Stop, err
	}
	c, err := s.C.WorkspaceConfig(ctx, s.WS)
	root := p.URL + "/subscriptions/" + c.Subscription + "/resourceGroups/" + c.Group + "/providers/Microsoft.MachineLearningServices/workspaces/" + c.Workspace
	return azure{http: newHTTP(pool), root: root, token: p.Token}, s.Stop, err
}

// bareOf answers with the same bytes, by net/http and TLS in this process.
func bareOf(ctx context.Context, a azure, path string) (azure, func(), error) {
	body, err := a.get(ctx, path)
	if err != nil {
		return a, nil, err
	}
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = w.Write(body)
	}))
	return azure{http: s.Client(), root: s.URL, token: a.token}, s.Close, nil
}
