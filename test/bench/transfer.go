package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/zaffre-ml/zaffre/test/rig"
)

const transferSize = 1 << 30

// transfer uploads and downloads an artifact of 1 GiB, beside nginx with TLS and its DAV module. Ours
// also computes a SHA-256 and has the file on the disk before it answers; nginx does neither.
func transfer(ctx context.Context, b *bench) ([]Figure, error) {
	s, err := b.serve(ctx, rig.Options{})
	if err != nil {
		return nil, err
	}
	defer s.Stop()
	ours, err := faceOf(s)
	if err != nil {
		return nil, err
	}
	_, uri, err := ours.newRun(ctx)
	if err != nil {
		return nil, err
	}
	peer, stop, err := startNginx(ctx, b)
	if err != nil {
		return nil, err
	}
	defer stop()
	var zUp, zDown, pUp, pDown []time.Duration
	for i := range b.times(3, 1) {
		name := fmt.Sprintf("/big%d", i)
		if err := upDown(ctx, ours, uri+name, &zUp, &zDown); err != nil {
			return nil, err
		}
		if err := upDown(ctx, peer, peer.base+name, &pUp, &pDown); err != nil {
			return nil, err
		}
	}
	return []Figure{speed("upload", zUp, pUp), speed("download", zDown, pDown)}, nil
}

func speed(what string, ours, peer []time.Duration) Figure {
	z, p := middle(ours), middle(peer)
	rate := func(d time.Duration) string { return fmt.Sprintf("%.0f MiB/s", transferSize/d.Seconds()/(1<<20)) }
	share := p.Seconds() / z.Seconds()
	return Figure{
		What: what + " of an artifact of 1 GiB", Zaffre: rate(z), Peer: "nginx " + rate(p),
		Ratio: fmt.Sprintf("%.2f", share), Goal: ">= 0.50", OK: new(share >= 0.5),
		Note:   "both over TLS 1.3, one Go client; zaffre also computes a checksum and waits for the disk",
		Values: map[string]float64{"zaffre": millis(z), "nginx": millis(p)},
	}
}

func upDown(ctx context.Context, f *face, url string, up, down *[]time.Duration) error {
	began := time.Now()
	resp, err := f.send(ctx, http.MethodPut, url, io.LimitReader(noise{}, transferSize), transferSize)
	if err != nil {
		return err
	}
	resp.Body.Close()
	*up = append(*up, time.Since(began))
	began = time.Now()
	if resp, err = f.send(ctx, http.MethodGet, url, nil, 0); err != nil {
		return err
	}
	defer resp.Body.Close()
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, resp.Body, make([]byte, 256<<10))
	if err == nil && n != transferSize {
		err = fmt.Errorf("%s has %d bytes", url, n)
	}
	*down = append(*down, time.Since(began))
	return err
}

// noise is bytes that cost nothing to make.
type noise struct{}

func (noise) Read(p []byte) (int, error) { return len(p), nil }

const nginxConf = `daemon off; worker_processes auto; pid %[1]s/pid; error_log stderr; %[4]s
events {}
http {
  access_log off; client_max_body_size 0; sendfile on;
  client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  server {
    listen 127.0.0.1:%[2]d ssl; ssl_certificate %[3]s; ssl_certificate_key %[3]s; ssl_protocols TLSv1.3;
    root %[1]s/root; dav_methods PUT DELETE;
  }
}
`

// startNginx starts Debian's nginx on folders of its own, and returns how to end it.
func startNginx(ctx context.Context, b *bench) (*face, func(), error) {
	bin, err := exec.LookPath("nginx")
	if err != nil {
		return nil, nil, errors.New("there is no nginx here: install Debian's package nginx-light")
	}
	port, err := rig.Port()
	if err != nil {
		return nil, nil, err
	}
	dir := filepath.Join(b.scratch, "nginx")
	if err := os.MkdirAll(filepath.Join(dir, "root"), 0o777); err != nil {
		return nil, nil, err
	}
	pool, cert, err := selfSigned(dir)
	if err != nil {
		return nil, nil, err
	}
	user := ""
	if os.Geteuid() == 0 {
		user = "user root;"
	}
	if err := rig.WriteFile(dir, "nginx.conf", fmt.Sprintf(nginxConf, dir, port, cert, user)); err != nil {
		return nil, nil, err
	}
	cmd := exec.Command(bin, "-p", dir, "-e", "stderr", "-c", filepath.Join(dir, "nginx.conf"))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	stop := func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}
	address := "127.0.0.1:" + strconv.Itoa(port)
	if err := dialable(ctx, address); err != nil {
		stop()
		return nil, nil, err
	}
	return &face{base: "https://" + address, http: newHTTP(pool)}, stop, nil
}

// dialable waits until something listens.
func dialable(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			return c.Close()
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return fmt.Errorf("nobody listens on %s: %w", address, err)
		}
	}
}

// selfSigned writes a certificate for loopback, with its key, as ours have them: ECDSA on P-256.
func selfSigned(dir string) (*x509.CertPool, string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, "", err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bench"}, NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, "", err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, "", err
	}
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})...)
	path := filepath.Join(dir, "cert.pem")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return nil, "", err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	_, err = tls.LoadX509KeyPair(path, path)
	return pool, path, err
}
