package frame

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// The exit codes.
const (
	ExitOK          = 0
	ExitFailed      = 1
	ExitUsage       = 2
	ExitNotFound    = 3
	ExitDenied      = 4
	ExitInterrupted = 130
)

// usage is an error of the command line.
type usage struct{ error }

func (u usage) Unwrap() error { return u.error }

// Usage marks err as an error of the command line: exit code 2.
func Usage(err error) error { return usage{err} }

// quiet is an error that was told already.
type quiet struct{ code int }

func (q quiet) Error() string { return fmt.Sprintf("exit %d", q.code) }

// Exit returns an error that ends the program with a code and says nothing.
func Exit(code int) error { return quiet{code} }

// ExitCode returns the exit code of an error.
func ExitCode(err error) int {
	if err == nil {
		return ExitOK
	}
	if q, ok := errors.AsType[quiet](err); ok {
		return q.code
	}
	if _, ok := errors.AsType[usage](err); ok {
		return ExitUsage
	}
	if errors.Is(err, context.Canceled) {
		return ExitInterrupted
	}
	switch View(err).Code {
	case client.CodeNotFound:
		return ExitNotFound
	case client.CodeDenied, client.CodeUnauthorized:
		return ExitDenied
	}
	return ExitFailed
}

// View returns any error in the form of the server's faults.
func View(err error) *client.Fault {
	if f, ok := errors.AsType[*client.Fault](err); ok {
		return f
	}
	if e, ok := errors.AsType[*fault.Error](err); ok {
		f := &client.Fault{
			Title: e.What, Detail: e.Why, Code: string(e.Code), Reason: e.Reason, Fix: e.Fix, Evidence: e.Evidence, Field: e.Field,
		}
		if e.Err != nil {
			f.Evidence = append(f.Evidence, e.Err.Error())
		}
		return f
	}
	return &client.Fault{Title: err.Error(), Code: client.CodeInternal}
}

// Tell writes an error to Stderr: what and why, the evidence, and what to do.
func (a *App) Tell(err error) {
	if _, ok := errors.AsType[quiet](err); ok {
		return
	}
	if errors.Is(err, context.Canceled) {
		a.Talk("talk.interrupted")
		return
	}
	a.TellFault(View(err))
}

// TellFault writes a fault to Stderr. The first line names the cause.
func (a *App) TellFault(f *client.Fault) {
	what := f.Title
	if h := a.Text.Headline(f.Reason); h != "" {
		what = h + ": " + what
	}
	if f.Detail != "" {
		what += ": " + f.Detail
	}
	fmt.Fprintf(a.Stderr, "%s %s\n", a.paint(a.Stderr, red, a.Say("error.what")), indent(what))
	if f.Field != "" {
		fmt.Fprintf(a.Stderr, "  %s %s\n", a.Say("error.field"), f.Field)
	}
	for _, e := range f.Evidence {
		fmt.Fprintf(a.Stderr, "  %s %s\n", a.Say("error.evidence"), indent(strings.TrimSpace(e)))
	}
	if f.Fix != "" {
		fmt.Fprintf(a.Stderr, "  %s %s\n", a.paint(a.Stderr, bold, a.Say("error.fix")), indent(f.Fix))
	}
	if f.RequestID != "" && f.Code == client.CodeInternal {
		fmt.Fprintf(a.Stderr, "  %s %s\n", a.Say("error.request"), f.RequestID)
	}
}

func indent(s string) string { return strings.ReplaceAll(s, "\n", "\n    ") }
