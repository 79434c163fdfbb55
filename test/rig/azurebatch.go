package rig

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// AzureBatch is a simulator of an Azure Batch account: see test/engines/azurebatch. Its pools are "pool", with one node,
// and "empty", with none.
type AzureBatch struct {
	URL, Secure         string // by http and by https
	CA                  string // path of the certificate of the latter
	Account, Key, Token string
	dir, python         string
	ports               []string
	cmd                 *exec.Cmd
	errors              bytes.Buffer
}

// StartAzureBatch starts a simulator by a Python that has the official client. It keeps what it has in dir.
func StartAzureBatch(python, dir string) (*AzureBatch, error) {
	a := &AzureBatch{Account: "simulated", Key: base64.StdEncoding.EncodeToString([]byte("k3y-canary-of-the-simulated-account")), Token: "t0ken-canary", dir: dir, python: python}
	a.CA = filepath.Join(dir, "cert.pem")
	if err := writeCertificate(a.CA, filepath.Join(dir, "key.pem")); err != nil {
		return nil, err
	}
	return a, a.Start()
}

// Start starts it, or starts it again where it was, with what it had.
func (a *AzureBatch) Start() error {
	root, err := Root()
	if err != nil {
		return err
	}
	args := append([]string{
		"-B", filepath.Join(root, "test", "engines", "azurebatch", "service.py"), "--dir", a.dir, "--account", a.Account, "--key", a.Key, "--token", a.Token,
		"--cert", a.CA, "--private-key", filepath.Join(a.dir, "key.pem"), "--plain-tokens",
	}, a.ports...)
	a.cmd = exec.Command(a.python, args...)
	a.cmd.Stderr = &a.errors
	out, err := a.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := a.cmd.Start(); err != nil {
		return err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	url, secure, _ := strings.Cut(strings.TrimSpace(line), " ")
	if err != nil {
		_ = a.cmd.Wait()
		return fmt.Errorf("the simulator of Azure Batch did not start: %w: %s", err, a.errors.String())
	}
	a.URL, a.Secure = url, "https://127.0.0.1:"+secure
	a.ports = []string{"--port", url[strings.LastIndexByte(url, ':')+1:], "--tls-port", secure}
	return nil
}

// Stop ends it, and what runs there.
func (a *AzureBatch) Stop() {
	_ = a.cmd.Process.Signal(syscall.SIGTERM)
	_ = a.cmd.Wait()
}

// Kill ends it without mercy. What runs there goes on, as nodes do while the service is away.
func (a *AzureBatch) Kill() {
	_ = a.cmd.Process.Kill()
	_ = a.cmd.Wait()
}

// Errors are what it wrote of faults of its own.
func (a *AzureBatch) Errors() string { return a.errors.String() }

// Fail makes faults: see Fault.
func (a *AzureBatch) Fail(faults ...Fault) error {
	for _, f := range faults {
		if err := a.Tell("faults", f, nil); err != nil {
			return err
		}
	}
	return nil
}

// Tell asks the simulator for something: "pool" (id, nodes, and fields of it), "page" (size), "slow" (seconds until a task
// is given to a node), "preempt" (takes all nodes away), "expire" (tokens), "scheduling" (an error of all jobs). What it
// counted is read into out: "calls" by route, "tasks" (started, there, jobs).
func (a *AzureBatch) Tell(what string, in, out any) error {
	b, err := json.Marshal(in)
	if err != nil {
		return err
	}
	resp, err := http.Post(a.URL+"/sim/"+what, "application/json", bytes.NewReader(b))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", what, resp.Status)
	}
	if out == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(out)
}

// writeCertificate writes a certificate of this machine's own, and its key.
func writeCertificate(cert, key string) error {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "127.0.0.1"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, k.Public(), k)
	if err != nil {
		return err
	}
	raw, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		return err
	}
	if err := os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		return err
	}
	return os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}), 0o600)
}
