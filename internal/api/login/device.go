package login

import (
	"crypto/rand"
	"crypto/subtle"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

const (
	deviceFor   = 15 * time.Minute
	deviceEvery = 2 * time.Second // how often a client asks
	maxDevices  = 1000            // that wait at once
	codeLetters = "BCDFGHJKLMNPQRSTVWXZ"
)

// devices are the logins that wait for a user. They live in memory: one that a restart cuts off ends as
// expired, and its client starts anew.
type devices struct {
	mu      sync.Mutex
	pending map[string]*device // by user code
}

type device struct {
	code     string // the client's secret
	user     string // what the user types
	client   string
	from     string
	expires  time.Time
	approved *owner
}

// add makes a login that waits. nil: too many wait already.
func (d *devices) add(now time.Time, client, from string) *device {
	d.mu.Lock()
	defer d.mu.Unlock()
	for code, v := range d.pending {
		if !now.Before(v.expires) {
			delete(d.pending, code)
		}
	}
	if len(d.pending) >= maxDevices {
		return nil
	}
	v := &device{code: rand.Text() + rand.Text(), user: userCode(), client: client, from: from, expires: now.Add(deviceFor)}
	if d.pending == nil {
		d.pending = map[string]*device{}
	}
	d.pending[v.user] = v
	return v
}

// userCode is eight letters that are hard to misread and spell no words.
func userCode() string {
	var raw [8]byte
	_, _ = rand.Read(raw[:]) // never fails
	for i, b := range raw {
		raw[i] = codeLetters[int(b)%len(codeLetters)]
	}
	return string(raw[:])
}

// find returns a copy of the login that a user code means, however it is typed.
func (d *devices) find(now time.Time, typed string) (device, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	v := d.pending[normalCode(typed)]
	if v == nil || !now.Before(v.expires) || v.approved != nil {
		return device{}, false
	}
	return *v, true
}

func normalCode(typed string) string {
	return strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(typed))
}

func (d *devices) approve(now time.Time, typed string, who owner) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	v := d.pending[normalCode(typed)]
	if v == nil || !now.Before(v.expires) || v.approved != nil {
		return false
	}
	v.approved = &who
	return true
}

// take returns the owner of an approved login and forgets it. known says whether the client's code is one
// that waits.
func (d *devices) take(now time.Time, code string) (who *owner, known bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for user, v := range d.pending {
		if subtle.ConstantTimeCompare([]byte(v.code), []byte(code)) != 1 || !now.Before(v.expires) {
			continue
		}
		if v.approved != nil {
			delete(d.pending, user)
		}
		return v.approved, true
	}
	return nil, false
}

func (s *Service) deviceCode(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		oauthError(w, r, "invalid_request", formFault(err))
		return
	}
	v := s.devices.add(s.Now(), r.PostForm.Get("client_id"), hostOf(r.RemoteAddr))
	if v == nil {
		oauthError(w, r, "temporarily_unavailable", &fault.Error{
			Code: fault.Exhausted, Reason: "LoginsWaiting", What: "the login cannot start",
			Why: "too many others wait for their users", Fix: "try again in a quarter of an hour", RetryAfter: deviceFor,
		})
		return
	}
	page := baseURL(r) + "/device"
	shown := v.user[:4] + "-" + v.user[4:]
	writeJSON(w, http.StatusOK, map[string]any{
		"device_code": v.code, "user_code": shown, "verification_uri": page, "verification_url": page,
		"verification_uri_complete": page + "?user_code=" + shown,
		"expires_in":                int(deviceFor / time.Second), "interval": int(deviceEvery / time.Second),
		"message": "To sign in, open " + page + " in a browser and enter the code " + shown + ".",
	})
}

func (s *Service) pollDevice(w http.ResponseWriter, r *http.Request) {
	code := r.PostForm.Get("device_code")
	if code == "" {
		code = r.PostForm.Get("code")
	}
	who, known := s.devices.take(s.Now(), code)
	switch {
	case !known:
		oauthError(w, r, "expired_token", &fault.Error{
			Code: fault.Precondition, Reason: "LoginExpired", What: "the login did not happen",
			Why: "its code is over, was used, or the server was restarted", Fix: "start the login again",
		})
	case who == nil:
		writeJSON(w, http.StatusBadRequest, map[string]string{
			"error": "authorization_pending", "error_description": "The user has not confirmed the login yet.",
		})
	default:
		s.answer(w, r, *who, true)
	}
}

func hostOf(remote string) string {
	if i := strings.LastIndexByte(remote, ':'); i > 0 {
		return strings.Trim(remote[:i], "[]")
	}
	return remote
}
