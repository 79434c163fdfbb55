package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
)

// Codes of faults that programs act on. They are those of the server's answers; the client makes
// CodeUnavailable and CodeInvalid itself, for a server that does not answer and a call that cannot be
// made.
const (
	CodeInvalid      = "invalid"
	CodeNotFound     = "not_found"
	CodeExists       = "already_exists"
	CodeConflict     = "conflict"
	CodePrecondition = "failed_precondition"
	CodeDenied       = "permission_denied"
	CodeUnauthorized = "unauthenticated"
	CodeUnsupported  = "unsupported"
	CodeExhausted    = "resource_exhausted"
	CodeUnavailable  = "unavailable"
	CodeInternal     = "internal"
)

// Error returns title and detail on one line. Every error of a Client's method is a *Fault, except
// that of an ended context and those of the caller's own readers and writers.
func (f *Fault) Error() string {
	if f.Detail == "" {
		return f.Title
	}
	return f.Title + ": " + f.Detail
}

// CodeOf returns the code of the first Fault in err's tree, and "" where there is none.
func CodeOf(err error) string {
	if f, ok := errors.AsType[*Fault](err); ok {
		return f.Code
	}
	return ""
}

// ReasonOf returns the reason of the first Fault in err's tree, and "" where there is none.
func ReasonOf(err error) string {
	if f, ok := errors.AsType[*Fault](err); ok {
		return f.Reason
	}
	return ""
}

// decodeFault makes a Fault of an answer that is none of the 200s.
func decodeFault(resp *http.Response) *Fault {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	f := &Fault{}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if (kind == "application/problem+json" || kind == "application/json") && json.Unmarshal(body, f) == nil && f.Code != "" {
		f.Status = resp.StatusCode
		return f
	}
	const most = 500
	text := string(body)
	if len(text) > most {
		text = text[:most] + "…"
	}
	return &Fault{
		Status: resp.StatusCode, Code: codeOfStatus(resp.StatusCode), Reason: "UnexpectedAnswer",
		Title:  "the server gave an answer that is not zaffre's",
		Detail: fmt.Sprintf("%s %s was answered with %s", resp.Request.Method, resp.Request.URL.Path, resp.Status),
		Fix:    "check that the address is that of a zaffre server; run: zaffre status", Evidence: lines(text),
	}
}

func lines(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
}

func codeOfStatus(status int) string {
	switch status {
	case http.StatusNotFound:
		return CodeNotFound
	case http.StatusUnauthorized:
		return CodeUnauthorized
	case http.StatusForbidden:
		return CodeDenied
	case http.StatusConflict:
		return CodeConflict
	case http.StatusTooManyRequests:
		return CodeExhausted
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return CodeUnavailable
	}
	if status < 500 {
		return CodeInvalid
	}
	return CodeInternal
}
