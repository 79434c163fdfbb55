package login

import (
	_ "embed"
	"html/template"
	"net/http"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

//go:embed device.html
var deviceHTML string

var deviceTemplate = template.Must(template.New("device").Parse(deviceHTML))

// page is what device.html shows: the form for the code, the one to confirm, or that it is done.
type page struct {
	Code, Client, From string
	Confirm, Done      bool
	Caller             string
	Problem, Fix       string
}

// showPage writes the page so that no other site can show it, script it or send its form elsewhere.
func showPage(w http.ResponseWriter, status int, p page) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = deviceTemplate.Execute(w, p) // the caller may have gone
}

func (s *Service) devicePage(w http.ResponseWriter, r *http.Request) {
	typed := strings.TrimSpace(r.URL.Query().Get("user_code"))
	if typed == "" {
		showPage(w, http.StatusOK, page{})
		return
	}
	s.askConfirm(w, http.StatusOK, typed, nil)
}

// askConfirm shows who wants to log in, and asks for the token that says as whom.
func (s *Service) askConfirm(w http.ResponseWriter, status int, typed string, err error) {
	d, ok := s.devices.find(s.Now(), typed)
	if !ok {
		showPage(w, http.StatusNotFound, page{Problem: "No login waits with this code.", Fix: "Compare it with the one that your program shows, or start the login again."})
		return
	}
	p := page{Confirm: true, Code: d.user[:4] + "-" + d.user[4:], Client: d.client, From: d.from}
	if err != nil {
		f := fault.From(err)
		p.Problem, p.Fix = f.What+": "+f.Why, f.Fix
	}
	showPage(w, status, p)
}

// confirmDevice takes the form. It carries the credential itself, and no cookie is ever looked at: a
// forged form has nothing to act with. Forms of other sites are refused all the same.
func (s *Service) confirmDevice(w http.ResponseWriter, r *http.Request) {
	if err := new(http.CrossOriginProtection).Check(r); err != nil {
		showPage(w, http.StatusForbidden, page{Problem: "This form was sent from another site.", Fix: "Open this page yourself and enter the code."})
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		showPage(w, http.StatusBadRequest, page{Problem: "The form cannot be read.", Fix: "Send it again."})
		return
	}
	typed := r.PostForm.Get("user_code")
	t, err := s.Identity.TokenOf(r.Context(), strings.TrimSpace(r.PostForm.Get("token")))
	if err != nil {
		s.askConfirm(w, http.StatusUnauthorized, typed, err)
		return
	}
	who := ofToken(t)
	if !s.devices.approve(s.Now(), typed, who) {
		s.askConfirm(w, http.StatusNotFound, typed, nil)
		return
	}
	noteCaller(r, who.caller)
	showPage(w, http.StatusOK, page{Done: true, Caller: who.caller.Name})
}
