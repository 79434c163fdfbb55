package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/test/rig"
)

// face is a server that speaks MLflow's REST: ours, or MLflow's own.
type face struct {
	base, token string
	http        *http.Client
}

// faceOf is the MLflow face of a server of ours.
func faceOf(s *rig.Server) (*face, error) {
	p, err := client.Load(s.Data)
	if err != nil {
		return nil, err
	}
	pool, err := poolFrom(p.CA)
	return &face{base: p.URL, token: p.Token, http: newHTTP(pool)}, err
}

func poolFrom(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("no certificate in " + file)
	}
	return pool, nil
}

// newHTTP returns a client that keeps its connections, over HTTP/1.1 as MLflow's own does.
func newHTTP(pool *x509.CertPool) *http.Client {
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool}, MaxIdleConnsPerHost: 64, ForceAttemptHTTP2: false,
	}}
}

// call sends a request below /api/2.0/mlflow/ and decodes the answer, unless into is nil.
func (f *face) call(ctx context.Context, method, path string, body []byte, into any) error {
	resp, err := f.send(ctx, method, f.base+"/api/2.0/mlflow/"+path, bytes.NewReader(body), int64(len(body)))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if into != nil {
		return json.NewDecoder(resp.Body).Decode(into)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

func (f *face) send(ctx context.Context, method, url string, body io.Reader, size int64) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return nil, err
	}
	req.ContentLength = size
	req.Header.Set("Content-Type", "application/json")
	if f.token != "" {
		req.Header.Set("Authorization", "Bearer "+f.token)
	}
	resp, err := f.http.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= 300 {
		defer resp.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 500))
		return nil, fmt.Errorf("%s %s: %s: %s", method, url, resp.Status, text)
	}
	return resp, nil
}

// newRun makes a run in experiment 0.
func (f *face) newRun(ctx context.Context) (id, artifacts string, err error) {
	var out struct {
		Run struct {
			Info struct {
				RunID       string `json:"run_id"`
				ArtifactURI string `json:"artifact_uri"`
			} `json:"info"`
		} `json:"run"`
	}
	body := fmt.Appendf(nil, `{"experiment_id":"0","start_time":%d}`, time.Now().UnixMilli())
	err = f.call(ctx, http.MethodPost, "runs/create", body, &out)
	return out.Run.Info.RunID, out.Run.Info.ArtifactURI, err
}

// errEnough ends a client of a crowd.
var errEnough = errors.New("there is no more to do")

// crowd has clients do something again and again for a while, or until errEnough, and returns how long
// each turn took and how long all of it.
func crowd(ctx context.Context, clients int, during time.Duration, do func(ctx context.Context, client, turn int) error) ([]time.Duration, time.Duration, error) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var took []time.Duration
	var failed atomic.Pointer[error]
	began := time.Now()
	for c := range clients {
		wg.Go(func() {
			var mine []time.Duration
			for turn := 0; time.Since(began) < during && failed.Load() == nil; turn++ {
				at := time.Now()
				err := do(ctx, c, turn)
				if errors.Is(err, errEnough) {
					break
				}
				if err != nil {
					failed.CompareAndSwap(nil, &err)
					return
				}
				mine = append(mine, time.Since(at))
			}
			mu.Lock()
			defer mu.Unlock()
			took = append(took, mine...)
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return nil, 0, *err
	}
	return took, time.Since(began), nil
}
