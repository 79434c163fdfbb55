package mlflow

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/identity"
)

// The address of a run's files is one that MLflow's clients keep and use with no token where they have
// none to send, as with azureml-mlflow. So it has a part that cannot be guessed: it says what may be done
// with the files of this one owner and until when, and is signed. It is made anew at each answer and kept
// nowhere.
const (
	filesPath  = "/api/2.0/mlflow-artifacts/artifacts"
	passPrefix = "zs_"
	passFor    = 30 // days, or one more
	macBytes   = 18
)

// What has files.
const (
	runFiles     = "runs"
	loggedFiles  = "logged"
	versionFiles = "models"
)

// locator names the files of one owner and a path among them.
type locator struct {
	workspace, kind string
	id              string // of a run, of a logged model; "name/number" of a version
	path            string
}

// sign returns the part of the address that lets its bearer in.
func (a *api) sign(l locator, write bool, now time.Time) string {
	raw := make([]byte, 5, 5+macBytes)
	if write {
		raw[0] = 1
	}
	binary.BigEndian.PutUint32(raw[1:], uint32(now.Unix()/86400+1+passFor))
	return passPrefix + base64.RawURLEncoding.EncodeToString(append(raw, a.mac(l, raw)...))
}

func (a *api) mac(l locator, head []byte) []byte {
	m := hmac.New(sha256.New, a.Key)
	m.Write(head)
	m.Write([]byte(l.workspace + "\x00" + l.kind + "\x00" + l.id))
	return m.Sum(nil)[:macBytes]
}

// pass reports whether a signed part lets its bearer in, and to write.
func (a *api) pass(signed string, l locator, now time.Time) (ok, write bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(strings.TrimPrefix(signed, passPrefix))
	if err != nil || len(raw) != 5+macBytes || !hmac.Equal(raw[5:], a.mac(l, raw[:5])) {
		return false, false
	}
	return now.Unix() < int64(binary.BigEndian.Uint32(raw[1:]))*86400, raw[0] == 1
}

// filesURL is the address of an owner's files, for the caller and as the caller reached the server.
func (a *api) filesURL(c call, kind, id string) string {
	l := locator{workspace: c.ws, kind: kind, id: id}
	write := identity.From(c.Context()).RoleIn(c.ws).Includes(identity.Tracker)
	return "https://" + c.Host + placeIn(c.Request).prefix + filesPath + "/" + a.sign(l, write, time.Now()) + "/" + l.String()
}

// String returns the locator as a path: it is how sources of models are kept.
//
// MLflow's clients join an address and a path, one of them escaped and the other not, and take it apart
// again. So what comes before the path needs no escapes.
func (l locator) String() string {
	parts := []string{plainSegment(l.workspace), l.kind}
	for part := range strings.SplitSeq(l.id, "/") {
		parts = append(parts, plainSegment(part))
	}
	if l.path != "" {
		parts = append(parts, escapePath(l.path))
	}
	return strings.Join(parts, "/")
}

func escapePath(plain string) string {
	parts := strings.Split(plain, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return strings.Join(parts, "/")
}

// encodedMark begins a segment that is encoded.
const encodedMark = "~"

var plainForm = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9_.-]*$`)

func plainSegment(s string) string {
	if plainForm.MatchString(s) {
		return s
	}
	return encodedMark + base64.RawURLEncoding.EncodeToString([]byte(s))
}

func segment(s string) string {
	if raw, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(s, encodedMark)); err == nil && strings.HasPrefix(s, encodedMark) {
		return string(raw)
	}
	return s
}

// locate reads an escaped path below filesPath.
func locate(escaped string) (signed string, l locator, ok bool) {
	parts := strings.Split(strings.Trim(escaped, "/"), "/")
	for i, part := range parts {
		plain, err := url.PathUnescape(part)
		if err != nil {
			return "", l, false
		}
		parts[i] = plain
	}
	return locateIn(parts)
}

// locateIn reads the segments of a path.
func locateIn(parts []string) (signed string, l locator, ok bool) {
	if strings.HasPrefix(parts[0], passPrefix) {
		signed, parts = parts[0], parts[1:]
	}
	n := 3
	if len(parts) > 1 && parts[1] == versionFiles {
		n = 4
	}
	if len(parts) < n {
		return signed, l, false
	}
	id := segment(parts[2])
	if n == 4 {
		id += "/" + parts[3]
	}
	l = locator{segment(parts[0]), parts[1], id, strings.Join(parts[n:], "/")}
	switch l.kind {
	case runFiles, loggedFiles, versionFiles:
		return signed, l, true
	}
	return signed, l, false
}

// hide keeps the signed part out of the access log.
func hide(r *http.Request, signed string) {
	if signed != "" {
		r.URL.Path, r.URL.RawPath = strings.Replace(r.URL.Path, signed, passPrefix+"…", 1), ""
	}
}
