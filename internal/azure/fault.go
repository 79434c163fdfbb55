package azure

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
)

const cannot = "real Azure does not say what stands behind the resource ID"

// failed is the fault of a request without an answer.
func (c *Client) failed(ctx context.Context, r id.Resource, err error) error {
	if auth, ok := errors.AsType[*azidentity.AuthenticationFailedError](err); ok {
		return c.noToken(auth)
	}
	if context.Cause(ctx) != nil || isTransport(err) {
		return c.unavailable(r, err)
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "AzureRefused", What: cannot, Why: "there are no credentials to ask it with",
		Fix: "give azure.tenant, azure.client and azure.secret-file; run: zaffre config show", Evidence: c.words(err.Error()), Err: c.hidden(err),
	}
}

// isTransport reports whether err comes from the way to Azure, and not from what is on this side.
func isTransport(err error) bool {
	_, net := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return net
}

// noToken is the fault of an authority that hands out no token.
func (c *Client) noToken(err *azidentity.AuthenticationFailedError) error {
	var said struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if err.RawResponse == nil {
		return &fault.Error{
			Code: fault.Unavailable, Reason: "AzureUnavailable", What: cannot, Why: "its login could not be reached",
			Fix: "see that this machine reaches azure.login; run: zaffre config show", Evidence: c.words(err.Error()), Err: c.hidden(err),
		}
	}
	status := err.RawResponse.StatusCode
	if body, readErr := runtime.Payload(err.RawResponse); readErr == nil {
		_ = json.Unmarshal(body, &said) // then nothing is known but the status
	}
	words := c.words(fmt.Sprintf("%d %s %s", status, said.Error, said.Description))
	if status >= http.StatusInternalServerError || status == http.StatusTooManyRequests {
		return &fault.Error{
			Code: fault.Unavailable, Reason: "AzureUnavailable", What: cannot, Why: "its login does not answer as it should: " + words[0],
			Fix: "try again later, and see that azure.login is right; run: zaffre config show", Evidence: words, Err: c.hidden(err),
		}
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "AzureRefused", What: cannot, Why: "it refuses the server's login: " + words[0],
		Fix: "correct azure.tenant, azure.client and the secret in azure.secret-file, and start the server again; run: zaffre config show", Evidence: words, Err: c.hidden(err),
	}
}

// refused is the fault of an answer that is an error.
func (c *Client) refused(r id.Resource, resp *http.Response, body []byte) error {
	var said struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	_ = json.Unmarshal(body, &said) // then nothing is known but the status
	words := c.words(fmt.Sprintf("%d %s %s", resp.StatusCode, said.Error.Code, said.Error.Message))
	why := fmt.Sprintf("of %s it says %s", r, words[0])
	switch resp.StatusCode {
	case http.StatusNotFound, http.StatusGone:
		return c.none(why, words...)
	case http.StatusUnauthorized, http.StatusForbidden:
		return &fault.Error{
			Code: fault.Precondition, Reason: "AzureRefused", What: cannot, Why: why,
			Fix: "give the server's application the role Reader on the machine, its network interface and its public address; run: zaffre config show", Evidence: words,
		}
	}
	return &fault.Error{
		Code: fault.Unavailable, Reason: "AzureUnavailable", What: cannot, Why: why,
		Fix: "try again later, or add an entry; run: zaffre inventory add RESOURCE-ID address=ADDRESS", Evidence: words,
	}
}

func (c *Client) unavailable(r id.Resource, err error) error {
	why := "it was asked of " + r.String() + " and could not be reached"
	if errors.Is(err, context.DeadlineExceeded) {
		why = fmt.Sprintf("it was asked of %s and did not answer within %s", r, within)
	}
	return &fault.Error{
		Code: fault.Unavailable, Reason: "AzureUnavailable", What: cannot, Why: why,
		Fix: "see that this machine reaches azure.endpoint and azure.login; run: zaffre config show", Evidence: c.words(err.Error()), Err: c.hidden(err),
	}
}

// none is the fault of a resource that has no address.
func (c *Client) none(why string, words ...string) error {
	return &fault.Error{
		Code: fault.NotFound, Reason: "AzureHasNone", What: cannot, Why: why,
		Fix: "check the resource ID, or add an entry; run: zaffre inventory add RESOURCE-ID address=ADDRESS", Evidence: words,
	}
}

func (c *Client) unreadable(r id.Resource, why string) error {
	return c.none(fmt.Sprintf("what it says of %s cannot be used: %s", r, why))
}

// hidden is err for the log, where nothing that was shown to Azure may stand.
func (c *Client) hidden(err error) error { return errors.New(c.words(err.Error())[0]) }

// words are what Azure said, on one line that is not long.
func (c *Client) words(text string) []string {
	text = strings.Join(strings.FieldsFunc(c.tokens.hide(text), unicode.IsSpace), " ")
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, text)
	const longest = 600
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + "…"
	}
	return []string{text}
}
