package httpx

import (
	"context"
	"net/http"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
)

// Authenticate puts the caller of the bearer token into the context, or answers with the fault. A
// request without a token is fault.Unauthorized, Reason "TokenMissing".
func Authenticate(known func(ctx context.Context, bearer string) (identity.Caller, error), fail Fail) Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			bearer, ok := bearerOf(r)
			if !ok {
				w.Header().Set("WWW-Authenticate", `Bearer realm="zaffre"`)
				fail(w, r, missing())
				return
			}
			caller, err := known(r.Context(), bearer)
			if err != nil {
				if fault.CodeOf(err) == fault.Unauthorized {
					w.Header().Set("WWW-Authenticate", `Bearer realm="zaffre", error="invalid_token"`)
				}
				fail(w, r, err)
				return
			}
			InfoOf(r.Context()).Caller = caller.Name
			ctx, err := Origin(r, caller)
			if err != nil {
				fail(w, r, err)
				return
			}
			next.ServeHTTP(w, r.WithContext(identity.With(ctx, caller)))
		})
	}
}

func bearerOf(r *http.Request) (string, bool) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	token = strings.TrimSpace(token)
	return token, strings.EqualFold(scheme, "Bearer") && token != ""
}

func missing() error {
	return &fault.Error{
		Code: fault.Unauthorized, Reason: "TokenMissing", What: "the server does not know who calls",
		Why: "the request has no header Authorization: Bearer TOKEN", Fix: "log in; run: zaffre login URL",
	}
}
