package blob

import (
	"bytes"
	"cmp"
	"context"
	"crypto/md5" //nolint:gosec // the clients send it, for what got broken on the way
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/zaffre-ml/zaffre/internal/api/httpx"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/object"
)

// Deps is what the face stands on.
type Deps struct {
	Signer
	// Stat and Open find the file of a grant; Put makes it appear whole, in place of one that is there. They fail
	// with fault.NotFound.
	Stat func(ctx context.Context, g Grant) (object.File, error)
	Open func(ctx context.Context, g Grant, f object.File, offset int64) (io.ReadCloser, error)
	Put  func(ctx context.Context, g Grant, body io.Reader) (object.File, error)
	// Parts keeps the pieces of files that come in pieces.
	Parts *object.Store
	Limit int64 // bytes of one request

	ends *ends
}

// Owns reports whether a path belongs to this face.
func Owns(path string) bool { return strings.HasPrefix(path, root) }

// New returns the handler of everything that Owns reports.
func New(d Deps) http.Handler {
	d.ends = new(ends)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Ms-Version", version)
		w.Header().Set("X-Ms-Request-Id", httpx.InfoOf(r.Context()).ID)
		asked := *r
		u := *r.URL
		asked.URL = &u
		hide(r)
		if err := d.serve(w, &asked); err != nil {
			WriteFault(w, r, err)
		}
	})
}

func (d Deps) serve(w http.ResponseWriter, r *http.Request) error {
	g, err := d.Signer.open(r, r.Method == http.MethodPut)
	if err != nil {
		return err
	}
	r = r.WithContext(identity.With(r.Context(), identity.Caller{Name: g.User, Roles: map[string]identity.Role{g.Workspace: identity.Tracker}}))
	httpx.InfoOf(r.Context()).Caller = g.User
	switch comp := r.URL.Query().Get("comp"); {
	case r.Method == http.MethodPut && comp == "":
		return d.put(w, r, g)
	case r.Method == http.MethodPut && comp == "block":
		return d.putBlock(w, r, g)
	case r.Method == http.MethodPut && comp == "blocklist":
		return d.putList(w, r, g)
	case r.Method == http.MethodPut && comp == "appendblock":
		return d.putEnd(w, r, g)
	case comp == "" && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		return d.get(w, r, g)
	}
	return &fault.Error{
		Code: fault.Unsupported, Reason: "BlobOperationUnsupported", What: "the server does not do this with a file: " + r.Method + " " + word(r.URL.Query().Get("comp")),
		Why: "it knows how to write a file, whole, in blocks or at its end, and to read it", Fix: "upload or download it with azureml-core or azure-storage-blob",
	}
}

// word is what a client names that Azure has a name for; anything else is not repeated.
func word(s string) string {
	if len(s) > 20 || strings.ContainsFunc(s, func(r rune) bool { return r < 'a' || r > 'z' }) {
		return "something unknown"
	}
	return s
}

// body is what a client sends, checked against the sum that it may send along.
func (d Deps) body(w http.ResponseWriter, r *http.Request) io.Reader {
	in := httpx.Upload(w, r, d.Limit)
	want, err := base64.StdEncoding.DecodeString(r.Header.Get("Content-MD5"))
	if err != nil || len(want) != md5.Size {
		return object.Received(in, "")
	}
	return object.Received(&summed{in: in, want: want}, "")
}

// summed fails at its end unless its bytes have the MD5 that was announced.
type summed struct {
	in   io.Reader
	want []byte
	hash hash.Hash
}

func (s *summed) Read(p []byte) (int, error) {
	if s.hash == nil {
		s.hash = md5.New() //nolint:gosec // see above
	}
	n, err := s.in.Read(p)
	_, _ = s.hash.Write(p[:n])
	if err == io.EOF && !bytes.Equal(s.hash.Sum(nil), s.want) {
		return n, &fault.Error{
			Code: fault.Invalid, Reason: "ChecksumMismatch", What: "the file did not arrive as it was sent",
			Why: "its MD5 is not the one that came with it", Fix: "send it again: nothing of it was kept",
		}
	}
	return n, err
}

func (d Deps) put(w http.ResponseWriter, r *http.Request, g Grant) error {
	f, err := d.Put(r.Context(), g, d.body(w, r))
	if err != nil {
		return err
	}
	created(w, f)
	return nil
}

func created(w http.ResponseWriter, f object.File) {
	head(w, f)
	w.Header().Set("X-Ms-Request-Server-Encrypted", "true")
	w.WriteHeader(http.StatusCreated)
}

func head(w http.ResponseWriter, f object.File) {
	w.Header().Set("Etag", strconv.Quote(cmp.Or(f.Hash, strconv.FormatInt(f.Size, 10))))
	if !f.Created.IsZero() {
		w.Header().Set("Last-Modified", f.Created.UTC().Format(http.TimeFormat))
	}
}

// blocks is the owner of the pieces of one file that is being written.
func blocks(g Grant) string {
	sum := sha256.Sum256([]byte(g.Workspace + "\x00" + g.Kind + "\x00" + g.Owner + "\x00" + g.Path + "\x00" + g.Until.String()))
	return object.Blocks.Owner(hex.EncodeToString(sum[:16]))
}

func blockName(id string) string { return hex.EncodeToString([]byte(id)) }

const maxBlockID = 100 // bytes; Azure's is 64 before base64

func (d Deps) putBlock(w http.ResponseWriter, r *http.Request, g Grant) error {
	id := r.URL.Query().Get("blockid")
	if id == "" || len(id) > maxBlockID {
		return badList("a block has an ID of 1 to 100 characters")
	}
	if _, err := d.Parts.Put(r.Context(), blocks(g), blockName(id), d.body(w, r)); err != nil {
		return err
	}
	w.WriteHeader(http.StatusCreated)
	return nil
}

// maxBlocks is Azure's own limit.
const maxBlocks = 50_000

// putList makes a file of its blocks, which then go. Repeated after that it finds them gone; the file is there,
// and a client that gets no answer sends its blocks again too.
func (d Deps) putList(w http.ResponseWriter, r *http.Request, g Grant) error {
	var list struct {
		IDs []struct {
			XMLName xml.Name
			ID      string `xml:",chardata"`
		} `xml:",any"`
	}
	if err := xml.NewDecoder(io.LimitReader(r.Body, 16<<20)).Decode(&list); err != nil || len(list.IDs) > maxBlocks {
		return badList("the list of blocks is no XML, or too long")
	}
	in := &joined{ctx: r.Context(), from: d.Parts, owner: blocks(g)}
	for _, b := range list.IDs {
		in.names = append(in.names, blockName(strings.TrimSpace(b.ID)))
	}
	defer in.close()
	f, err := d.Put(r.Context(), g, in)
	if err != nil {
		return err
	}
	if err := d.Parts.Clear(r.Context(), blocks(g)); err != nil {
		return err
	}
	created(w, f)
	return nil
}

func badList(why string) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "BlockListInvalid", What: "the file cannot be put together", Why: why, Fix: "send its blocks and their list again",
	}
}

// joined reads one block after the other.
type joined struct {
	ctx   context.Context // of the request that it serves
	from  *object.Store
	owner string
	names []string
	body  io.ReadCloser
}

func (j *joined) Read(p []byte) (int, error) {
	for {
		if j.body == nil {
			if len(j.names) == 0 {
				return 0, io.EOF
			}
			_, body, err := j.from.Open(j.ctx, j.owner, j.names[0], 0)
			if fault.CodeOf(err) == fault.NotFound {
				err = badList("a block of the list was not sent")
			}
			if err != nil {
				return 0, err
			}
			j.body, j.names = body, j.names[1:]
		}
		n, err := j.body.Read(p)
		if err == io.EOF {
			j.close()
			err = nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

func (j *joined) close() {
	if j.body != nil {
		j.body.Close()
		j.body = nil
	}
}

// putEnd writes at the end of a file: the SDK's watcher sends the log of a run that it started so, as the log grows.
// The file is written anew, whole, so that it never shows half of what came. Two clients that write at the end of one
// file by way of two servers at once may lose what one of them sent: then the file is there as the other has it.
func (d Deps) putEnd(w http.ResponseWriter, r *http.Request, g Grant) error {
	defer d.ends.lock(blocks(g))()
	f, err := d.Stat(r.Context(), g)
	if err != nil {
		return err
	}
	if err := canGrow(r, f); err != nil {
		return err
	}
	start, err := d.Open(r.Context(), g, f, 0)
	if err != nil {
		return err
	}
	defer start.Close()
	now, err := d.Put(r.Context(), g, io.MultiReader(start, d.body(w, r)))
	if err != nil {
		return err
	}
	w.Header().Set("X-Ms-Blob-Append-Offset", strconv.FormatInt(f.Size, 10))
	created(w, now)
	return nil
}

// maxGrown bounds a file that is written at its end, in bytes: each time it is written anew.
const maxGrown = 1 << 30

// canGrow checks what a client expects of the file that it writes at the end of.
func canGrow(r *http.Request, f object.File) error {
	at, size := r.Header.Get("X-Ms-Blob-Condition-Appendpos"), r.Header.Get("X-Ms-Blob-Condition-Maxsize")
	if at != "" && at != strconv.FormatInt(f.Size, 10) {
		return &fault.Error{
			Code: fault.Precondition, Reason: "AppendPositionChanged", What: "nothing is written at the end of the file",
			Why: fmt.Sprintf("it ends at %d, not where the client expects", f.Size), Fix: "read it, and write what it lacks",
		}
	}
	limit := int64(maxGrown)
	if most, err := strconv.ParseInt(size, 10, 64); err == nil {
		limit = min(limit, most)
	}
	if f.Size+max(r.ContentLength, 0) > limit {
		return &fault.Error{
			Code: fault.Precondition, Reason: "AppendTooLarge", What: "nothing is written at the end of the file",
			Why: fmt.Sprintf("it would have more than %d bytes", limit), Fix: "begin another file",
		}
	}
	return nil
}

// ends lets one request at a time write at the end of a file.
type ends [64]sync.Mutex

func (e *ends) lock(file string) (unlock func()) {
	m := &e[crc32.ChecksumIEEE([]byte(file))%uint32(len(e))]
	m.Lock()
	return m.Unlock
}

func (d Deps) get(w http.ResponseWriter, r *http.Request, g Grant) error {
	f, err := d.Stat(r.Context(), g)
	if err != nil {
		return err
	}
	if v := r.Header.Get("X-Ms-Range"); v != "" {
		r.Header.Set("Range", v)
	}
	head(w, f)
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("X-Ms-Blob-Type", "BlockBlob")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if g.Kind == "log" {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	} else {
		w.Header().Set("Content-Disposition", "attachment")
	}
	if f.Size == 0 && g.Kind != "log" && r.Header.Get("Range") != "" {
		noRange(w)
		return nil
	}
	file := httpx.NewSeeker(r.Context(), f.Size, nil, func(ctx context.Context, offset int64) (io.ReadCloser, error) { return d.Open(ctx, g, f, offset) })
	defer file.Close()
	http.ServeContent(httpx.Download(w), r, "", f.Created, file)
	return nil
}

// noRange answers as Azure does for a range of an empty file: its clients then ask for all of it, and break at a 200
// that says no range.
func noRange(w http.ResponseWriter) {
	w.Header().Set("X-Ms-Error-Code", "InvalidRange")
	w.Header().Set("Content-Range", "bytes */0")
	w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
}

var codes = map[fault.Code]struct {
	status int
	name   string
}{
	fault.Invalid: {http.StatusBadRequest, "InvalidInput"}, fault.NotFound: {http.StatusNotFound, "BlobNotFound"},
	fault.Exists: {http.StatusConflict, "BlobAlreadyExists"}, fault.Conflict: {http.StatusConflict, "OperationTimedOut"},
	fault.Precondition: {http.StatusPreconditionFailed, "ConditionNotMet"}, fault.Denied: {http.StatusForbidden, "AuthenticationFailed"},
	fault.Unauthorized: {http.StatusForbidden, "AuthenticationFailed"}, fault.Unsupported: {http.StatusBadRequest, "UnsupportedHttpVerb"},
	fault.Exhausted: {http.StatusServiceUnavailable, "ServerBusy"}, fault.Unavailable: {http.StatusServiceUnavailable, "ServerBusy"},
}

// WriteFault answers with a fault as Azure Blob Storage does.
func WriteFault(w http.ResponseWriter, r *http.Request, err error) {
	httpx.Failed(r.Context(), err)
	f := fault.From(err)
	c, ok := codes[f.Code]
	if !ok {
		c.status, c.name = http.StatusInternalServerError, "InternalError"
	}
	w.Header().Set("X-Ms-Error-Code", c.name)
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Del("Content-Disposition")
	w.WriteHeader(c.status)
	var text bytes.Buffer
	_ = xml.EscapeText(&text, []byte(fmt.Sprintf("%s: %s [%s]. %s", f.What, f.Why, f.Reason, f.Fix)))
	fmt.Fprintf(w, `<?xml version="1.0" encoding="utf-8"?><Error><Code>%s</Code><Message>%s</Message></Error>`, c.name, text.String())
}
