package kubernetes

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// What the API says of an object.
func isMissing(err error) bool { return apierrors.IsNotFound(err) && !isSpace(err) }
func isThere(err error) bool   { return apierrors.IsAlreadyExists(err) }

// isSpace reports whether it is the namespace that is missing.
func isSpace(err error) bool {
	s, ok := errors.AsType[*apierrors.StatusError](err)
	return ok && s.Status().Details != nil && s.Status().Details.Kind == "namespaces"
}

// refusal is an answer that is none of the wanted ones, as the API's error.
func refusal(resp *http.Response) error {
	var st metav1.Status
	b, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if json.Unmarshal(b, &st) == nil && st.Kind == "Status" {
		return &apierrors.StatusError{ErrStatus: st}
	}
	st = metav1.Status{Status: metav1.StatusFailure, Code: int32(resp.StatusCode), Message: resp.Status}
	switch resp.StatusCode {
	case http.StatusUnauthorized:
		st.Reason = metav1.StatusReasonUnauthorized
	case http.StatusForbidden:
		st.Reason = metav1.StatusReasonForbidden
	case http.StatusNotFound:
		st.Reason = metav1.StatusReasonNotFound
	}
	return &apierrors.StatusError{ErrStatus: st}
}

// asFault says of an error of a request what it means.
func (cl *cluster) asFault(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*fault.Error](err); ok { // of the jump host
		return e
	}
	if s, ok := errors.AsType[*apierrors.StatusError](err); ok {
		return cl.refused(s.Status(), err)
	}
	return cl.unreached(ctx, err)
}

// refused is what the API server answers. Its words name objects and rules, and hold no credential.
func (cl *cluster) refused(s metav1.Status, err error) error {
	what := "the cluster at " + cl.host() + " refuses it"
	said := []string{s.Message}
	switch {
	case apierrors.IsUnauthorized(err) && !cl.expiry().IsZero() && time.Now().After(cl.expiry()):
		return &fault.Error{
			Code: fault.Unauthorized, Reason: "CredentialsExpired", What: what, Why: "our " + cl.credential() + " expired at " + cl.expiry().Format(time.RFC3339), Evidence: said,
			Fix: "make a new one: kubectl -n " + cl.namespace + " create token zaffre --duration=8760h > FILE; then run: zaffre compute update NAME --token-file FILE",
		}
	case apierrors.IsUnauthorized(err):
		return &fault.Error{
			Code: fault.Unauthorized, Reason: "TokenRefused", What: what, Why: "it does not know our token or certificate: they have expired, or were taken back", Evidence: said,
			Fix: "make a new one: kubectl -n " + cl.namespace + " create token zaffre --duration=8760h > FILE; then run: zaffre compute update NAME --token-file FILE",
		}
	case apierrors.HasStatusCause(err, "NamespaceTerminating"), strings.Contains(s.Message, "because it is being terminated"):
		return terminatingFault(cl.namespace, said)
	case apierrors.IsForbidden(err) && strings.Contains(s.Message, "exceeded quota"):
		return &fault.Error{
			Code: fault.Exhausted, Reason: "QuotaExceeded", What: what, Why: "the namespace's quota is used up", Evidence: said,
			Fix: "wait until others have ended, or raise it: kubectl -n " + cl.namespace + " get resourcequota",
		}
	case apierrors.IsForbidden(err):
		return cl.forbidden(said)
	case isSpace(err):
		return spaceFault(cl.namespace, said)
	case apierrors.IsNotFound(err):
		return &fault.Error{Code: fault.NotFound, Reason: "ObjectMissing", What: what, Why: "there is no such object", Fix: "see what there is: kubectl -n " + cl.namespace + " get jobs,pods", Evidence: said}
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		return &fault.Error{Code: fault.Invalid, Reason: "ObjectRefused", What: what, Why: "it does not take what the options make of the run", Fix: "correct the options that its words name; run: zaffre compute kinds kubernetes", Evidence: said}
	case apierrors.IsConflict(err):
		return &fault.Error{Code: fault.Unavailable, Reason: "ObjectChanged", What: what, Why: "somebody else changed the object meanwhile", Fix: "nothing: it is tried again", Evidence: said}
	case apierrors.IsTooManyRequests(err), s.Code >= 500, apierrors.IsTimeout(err), apierrors.IsServerTimeout(err):
		return &fault.Error{
			Code: fault.Unavailable, Reason: "ClusterBusy", What: what, Why: "the API server cannot answer now", Evidence: said, RetryAfter: max(retryAfter(s), time.Second),
			Fix: "nothing: it is tried again; if it stays so, look at the cluster's control plane",
		}
	}
	return &fault.Error{Code: fault.Internal, Reason: "ClusterRefused", What: what, Why: "of a reason that zaffre does not know", Fix: "look at the evidence, and report it", Evidence: said, Err: err}
}

// retryAfter is when the API server wants to be asked again; 0: it does not say.
func retryAfter(s metav1.Status) time.Duration {
	if s.Details == nil {
		return 0
	}
	return time.Duration(s.Details.RetryAfterSeconds) * time.Second
}

func (cl *cluster) forbidden(said []string) error {
	grant := "attach kubernetes --print-rbac --namespace " + cl.namespace
	if cl.made {
		grant = "create kubernetes --print-rbac"
	}
	return &fault.Error{
		Code: fault.Denied, Reason: "PermissionMissing", What: "the cluster refuses it", Why: "our account may not do what runs take",
		Fix: "grant it: zaffre compute " + grant + " | kubectl apply -f -", Evidence: said,
	}
}

func terminatingFault(namespace string, said []string) error {
	return &fault.Error{
		Code: fault.Precondition, Reason: "NamespaceTerminating", What: "the cluster takes no runs", Why: "the namespace " + namespace + " is being deleted",
		Fix: "wait until it is gone and make it anew: kubectl create namespace " + namespace, Evidence: said,
	}
}

func spaceFault(namespace string, said []string) error {
	return &fault.Error{
		Code: fault.Precondition, Reason: "NamespaceMissing", What: "the cluster takes no runs", Why: "it has no namespace " + namespace,
		Fix: "make it: kubectl create namespace " + namespace, Evidence: said,
	}
}

// unreached says why no answer came.
func (cl *cluster) unreached(ctx context.Context, err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // the URL is ours, and says nothing new
	}
	name, isDNS := errors.AsType[*net.DNSError](err)
	timeout, isNet := errors.AsType[net.Error](err)
	update := "correct the address; run: zaffre compute update NAME --kubeconfig-file FILE"
	switch {
	case isDNS && name.IsNotFound:
		return cl.away("NameNotFound", "there is no machine of this name", update, err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return cl.away("ConnectionRefused", "nothing listens there", "start the API server, or "+update, err)
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return cl.away("NetworkUnreachable", "there is no route to it from the server's machine", "name a machine that reaches it; run: zaffre compute update NAME --via TARGET", err)
	case notTrusted(err):
		return &fault.Error{
			Code: fault.Precondition, Reason: "CertificateRefused", What: "cannot connect to " + cl.host(), Why: "its certificate is not of the authority that the target's options name",
			Evidence: []string{err.Error()}, Fix: "give the kubeconfig of today; run: zaffre compute update NAME --kubeconfig-file FILE",
		}
	case notTLS(err):
		return cl.away("NotHTTPS", "what listens there does not speak HTTPS", update, err)
	case ctx.Err() != nil, errors.Is(err, context.DeadlineExceeded), isDNS && name.IsTimeout, isNet && timeout.Timeout():
		return cl.away("TimedOut", "it did not answer in time", "nothing: it is tried again; if it stays so, run: zaffre compute check NAME", err)
	}
	return cl.away("ConnectionLost", "the connection broke before the answer", "nothing: it is tried again; if it stays so, run: zaffre compute check NAME", err)
}

func (cl *cluster) away(reason, why, fix string, err error) error {
	return &fault.Error{Code: fault.Unavailable, Reason: reason, What: "cannot connect to " + cl.host(), Why: why, Fix: fix, Err: err}
}

func notTrusted(err error) bool {
	_, chain := errors.AsType[*tls.CertificateVerificationError](err)
	_, authority := errors.AsType[x509.UnknownAuthorityError](err)
	_, name := errors.AsType[x509.HostnameError](err)
	return chain || authority || name
}

func notTLS(err error) bool {
	_, header := errors.AsType[tls.RecordHeaderError](err)
	return header || errors.Is(err, http.ErrSchemeMismatch) || strings.Contains(err.Error(), "server gave HTTP response to HTTPS client")
}
