package envbuild

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Server is what a build may ask of the server that wants it.
type Server interface {
	// Tool opens a program for this machine: "uv".
	Tool(ctx context.Context, name string) (wire.ToolFile, io.ReadCloser, error)
	// Index says how the server comes to packages.
	Index(ctx context.Context) (wire.Index, error)
	// Dial connects to HOST:PORT of a package index, by way of the server.
	Dial(ctx context.Context, addr string) (net.Conn, error)
}

// How long the server may take to find what a build asks for, and how long an index may take to say anything.
const (
	askWithin     = 2 * time.Minute
	connectWithin = 4 * time.Second
)

// carried matches the uv that the server gave.
func carried(root string) []string {
	found, _ := filepath.Glob(filepath.Join(globEscape(root), "tools", "uv-????????????????"))
	return found
}

// askUV takes the server's uv, which is kept under its hash; "" where the server has none.
func (b *build) askUV(ctx context.Context) (string, error) {
	if b.server == nil {
		return "", nil
	}
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	f, r, err := b.server.Tool(ctx, "uv")
	if err != nil {
		b.log.printf("The server gives none: %s.", fault.From(err).Error())
		return "", nil
	}
	defer r.Close()
	name, err := b.keep(f, r)
	if err != nil {
		return "", err
	}
	if !runs(ctx, name, "--version") {
		b.log.printf("The server's uv does not run on this machine.")
		return "", os.Remove(name)
	}
	b.log.printf("It came from the server: %s, %d MB.", filepath.Base(name), f.Size>>20)
	return name, nil
}

// keep writes a program into the folder of tools, whole or not at all.
func (b *build) keep(f wire.ToolFile, r io.Reader) (string, error) {
	if len(f.Hash) != 2*sha256.Size {
		return "", unwritable(errors.New("the server names no hash"))
	}
	tmp, err := os.CreateTemp(filepath.Join(b.root, "tools"), "new-*")
	if err != nil {
		return "", unwritable(err)
	}
	defer os.Remove(tmp.Name())
	h := sha256.New()
	_, err = io.Copy(io.MultiWriter(tmp, h), r)
	if err = errors.Join(err, tmp.Chmod(0o755), tmp.Close()); err != nil {
		return "", unwritable(err)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != f.Hash {
		return "", unwritable(fmt.Errorf("what came from the server has the hash %s instead of %s", got, f.Hash))
	}
	name := filepath.Join(b.root, "tools", "uv-"+f.Hash[:16])
	if err := os.Rename(tmp.Name(), name); err != nil {
		return "", unwritable(err)
	}
	return name, nil
}

// reach finds out, once, whether this machine has a route to its package index; where it has none, uv is led by
// way of the server.
func (b *build) reach(ctx context.Context) {
	if b.server == nil || b.reached {
		return
	}
	b.reached = true
	env := b.environ()
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "UV_OFFLINE", "UV_NO_INDEX"} {
		if env[name] != "" {
			return // somebody said how it is
		}
	}
	host := b.indexHost(ctx)
	if host == "" || connects(ctx, host) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	index, err := b.server.Index(ctx)
	if err != nil {
		b.log.printf("This machine has no route to %s, and the server offers none: %s.", host, fault.From(err).Error())
		return
	}
	if err := b.lead(index, env); err != nil {
		b.log.printf("This machine has no route to %s, and no other can be opened: %s.", host, err)
		return
	}
	b.log.printf("This machine has no route to %s: packages come by way of the server.", host)
}

// indexHost returns HOST:PORT of the index that uv goes to, "" where uv does not say.
func (b *build) indexHost(ctx context.Context) string {
	said := b.ask(ctx, b.uv, "pip", "compile", "-", "--quiet", "--no-header", "--emit-index-url")
	for line := range strings.Lines(said) {
		option, address, _ := strings.Cut(strings.TrimSpace(line), " ")
		u, err := url.Parse(address)
		if option != "--index-url" || err != nil || u.Hostname() == "" {
			continue
		}
		port := u.Port()
		if port == "" {
			port = map[string]string{"http": "80"}[u.Scheme]
		}
		if port == "" {
			port = "443"
		}
		return net.JoinHostPort(u.Hostname(), port)
	}
	return ""
}

// connects reports whether somebody answers there. A firewall may take the connection and end it when it hears
// for whom it is, so a handshake is tried; whose certificate it is does not matter here.
func connects(ctx context.Context, addr string) bool {
	ctx, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return false
	}
	defer conn.Close()
	host, port, _ := net.SplitHostPort(addr)
	if port == "80" {
		return true
	}
	err = tls.Client(conn, &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}).HandshakeContext(ctx)
	_, distrusted := errors.AsType[*tls.CertificateVerificationError](err)
	return err == nil || distrusted
}

// lead makes the variables that lead uv, and what it starts, by way of the server. What the machine is told of
// indexes and certificates goes before what the server is told.
func (b *build) lead(index wire.Index, env map[string]string) error {
	p, err := b.openProxy()
	if err != nil {
		return err
	}
	b.proxy = p
	b.led = map[string]string{}
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"} {
		b.led[name] = p.url
	}
	if env["UV_DEFAULT_INDEX"] == "" && env["UV_INDEX_URL"] == "" {
		b.led["UV_DEFAULT_INDEX"] = index.Default
	}
	if env["UV_INDEX"] == "" && env["UV_EXTRA_INDEX_URL"] == "" {
		b.led["UV_INDEX"] = strings.Join(index.Extra, " ")
	}
	if env["SSL_CERT_FILE"] == "" && len(index.CA) > 0 {
		name := filepath.Join(b.root, "tools", "ca.pem")
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		b.led["SSL_CERT_FILE"] = name
		return writeWhole(name, index.CA)
	}
	return nil
}

// onTheWay says of a failure of the network what the server said, where that is why.
func (b *build) onTheWay(err error) error {
	if fault.ReasonOf(err) != "NetworkUnreachable" || b.proxy == nil {
		return err
	}
	f := *fault.From(err)
	said := b.proxy.refusal()
	if said == nil {
		return err
	}
	f.Why, f.Fix = "the target has no route to the package index, and "+said.Error(), said.Fix
	return &f
}
