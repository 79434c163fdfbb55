package cli

import (
	"bufio"
	"context"
	"crypto/x509"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

type loginOptions struct{ tokenFile, ca, fingerprint string }

func login(a *frame.App) *cobra.Command {
	var o loginOptions
	cmd := a.Command("login", "login [--token-file FILE] [--ca FILE | --fingerprint SHA256] URL", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		p := client.Profile{URL: strings.TrimSuffix(args[0], "/"), Workspace: a.Workspace}
		in := bufio.NewReader(a.Stdin)
		var err error
		if p.CA, err = o.trust(cmd.Context(), a, in, p.URL); err != nil {
			return err
		}
		if p.Token, err = o.token(a, in); err != nil {
			return err
		}
		return keepLogin(cmd.Context(), a, p)
	})
	f := cmd.Flags()
	f.StringVar(&o.tokenFile, "token-file", "", a.Say("flag.login.token"))
	f.StringVar(&o.ca, "ca", "", a.Say("flag.login.ca"))
	f.StringVar(&o.fingerprint, "fingerprint", "", a.Say("flag.login.fingerprint"))
	return cmd
}

// keepLogin asks the server who the token belongs to, and only then writes the login down.
func keepLogin(ctx context.Context, a *frame.App, p client.Profile) error {
	c, err := p.Open()
	if err != nil {
		return err
	}
	defer c.Close()
	s, err := c.Server(ctx)
	if err != nil {
		return err
	}
	file := client.LoginFile(a.Getenv)
	if err := p.Save(file); err != nil {
		return &fault.Error{
			Code: fault.Precondition, Reason: "LoginUnwritable", What: "the login cannot be kept",
			Why: err.Error(), Fix: "make " + file + " writable",
		}
	}
	a.Talk("talk.login", p.URL, s.Caller, file)
	a.Next("zaffre run list")
	return nil
}

// trust returns the certificate, as PEM, that the server is known by; "" where the system trusts it.
func (o loginOptions) trust(ctx context.Context, a *frame.App, in *bufio.Reader, url string) (string, error) {
	if o.ca != "" {
		pem, err := os.ReadFile(o.ca)
		if err != nil {
			return "", &fault.Error{
				Code: fault.NotFound, Reason: "CAUnreadable", What: "the file with the server's CA cannot be read",
				Why: err.Error(), Fix: "give the file ca.pem of the server's data folder with --ca", Field: "ca",
			}
		}
		return string(pem), nil
	}
	if !strings.HasPrefix(url, "https://") {
		return "", nil
	}
	if o.fingerprint == "" && systemTrusts(ctx, url) {
		return "", nil
	}
	cert, err := client.Certificate(ctx, url)
	if err != nil {
		return "", err
	}
	return o.compare(a, in, url, cert)
}

func systemTrusts(ctx context.Context, url string) bool {
	c, err := client.New(client.Config{URL: url, Retries: -1})
	return err == nil && client.ReasonOf(c.Ready(ctx)) != "ServerNotTrusted"
}

// compare trusts a certificate whose fingerprint was given, or to which the user says yes.
func (o loginOptions) compare(a *frame.App, in *bufio.Reader, url string, cert *x509.Certificate) (string, error) {
	print := client.Fingerprint(cert)
	bare := func(s string) string {
		return strings.TrimPrefix(strings.ToLower(strings.ReplaceAll(s, ":", "")), "sha256")
	}
	if o.fingerprint != "" && bare(o.fingerprint) == bare(print) {
		return client.PEM(cert), nil
	}
	if o.fingerprint == "" && frame.IsTerminal(a.Stdin) {
		fmt.Fprint(a.Stderr, a.Say("login.ask", url, cert.Subject.CommonName, print))
		answer, err := in.ReadString('\n')
		if err == nil && (strings.HasPrefix(strings.ToLower(strings.TrimSpace(answer)), "y") || strings.HasPrefix(answer, "は")) {
			return client.PEM(cert), nil
		}
	}
	return "", &fault.Error{
		Code: fault.Unauthorized, Reason: "ServerNotTrusted", What: "the server at " + url + " is not trusted",
		Why: "nobody whom this machine trusts signed its certificate; its SHA-256 is " + print,
		Fix: "compare it with what the server printed when it started, then run: zaffre login --fingerprint " + print + " " + url,
	}
}

// token reads the token: from the file, from a terminal without echo, or as a line of Stdin.
func (o loginOptions) token(a *frame.App, in *bufio.Reader) (string, error) {
	text, err := o.readToken(a, in)
	if text = strings.TrimSpace(text); text != "" {
		return text, nil
	}
	why := "none was given"
	if err != nil {
		why = err.Error()
	}
	return "", frame.Usage(&fault.Error{
		Code: fault.Unauthorized, Reason: "TokenMissing", What: "there is no token to log in with",
		Why: why, Fix: "make one on the server, run: zaffre token create NAME; and give it with --token-file or on the standard input",
	})
}

func (o loginOptions) readToken(a *frame.App, in *bufio.Reader) (string, error) {
	if o.tokenFile != "" && o.tokenFile != "-" {
		b, err := os.ReadFile(o.tokenFile)
		return string(b), err
	}
	if f, ok := a.Stdin.(*os.File); ok && frame.IsTerminal(f) {
		fmt.Fprint(a.Stderr, a.Say("login.token"))
		b, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(a.Stderr)
		return string(b), err
	}
	return in.ReadString('\n')
}
