package rig

import (
	"net/http"
	"net/http/httputil"
)

// Proxy serves p without cutting answers that begin before it has seen that a request's body is at an end: see
// http.ResponseController.EnableFullDuplex.
func Proxy(p *httputil.ReverseProxy) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex() // a recorder needs none
		p.ServeHTTP(w, r)
	})
}
