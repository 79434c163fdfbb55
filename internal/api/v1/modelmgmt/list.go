package modelmgmt

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/api/v1/face"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/model"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// chunk is how many versions are read at a time, to look for those that a list wants.
const chunk = 200

// list has the versions of each model, the newest first.
func (d Deps) list(r *face.Request) (any, error) {
	q := r.Request.URL.Query()
	count, err := strconv.Atoi(q.Get("count"))
	if err != nil || count <= 0 || count > 1000 {
		count = 100
	}
	f := finder{d: d, r: r, q: q, latest: map[string]int{}}
	if f.filter, err = d.filter(r, q); err != nil {
		return nil, err
	}
	cursor, skip, err := place(q.Get("$skipToken"))
	if err != nil {
		return nil, err
	}
	found, next, err := f.find(cursor, skip, count)
	if err != nil {
		return nil, err
	}
	out, names := []wireModel{}, map[string]string{}
	for _, v := range found {
		out = append(out, d.toModel(r, v, names))
	}
	return page(r, out, next), nil
}

func (d Deps) filter(r *face.Request, q url.Values) (model.VersionFilter, error) {
	f := model.VersionFilter{Workspace: r.Workspace, Model: q.Get("name")}
	if name := q.Get("runId"); name != "" {
		v, err := d.Runs.Get(r.Context(), r.Key(name))
		if fault.CodeOf(err) == fault.NotFound {
			f.Run = "none"
			return f, nil
		}
		f.Run = v.ID
		return f, err
	}
	return f, nil
}

// finder looks for versions.
type finder struct {
	d      Deps
	r      *face.Request
	q      url.Values
	filter model.VersionFilter
	latest map[string]int // by model
}

// find returns at most count versions, and the token of the next.
func (f *finder) find(cursor string, skip, count int) (found []model.Version, next string, err error) {
	for {
		list, more, err := f.d.Models.ListVersions(f.r.Context(), f.filter, store.Page{Limit: chunk, Cursor: cursor})
		if err != nil {
			return nil, "", err
		}
		for i, v := range list {
			ok, err := f.wants(v)
			if err != nil {
				return nil, "", err
			}
			if i < skip || !ok {
				continue
			}
			if len(found) == count {
				return found, token(cursor, i), nil
			}
			found = append(found, v)
		}
		if more == "" {
			return found, "", nil
		}
		cursor, skip = more, 0
	}
}

// token names a position: that many versions after a cursor.
func token(cursor string, skip int) string { return strconv.Itoa(skip) + "." + cursor }

func place(token string) (cursor string, skip int, err error) {
	if token == "" {
		return "", 0, nil
	}
	number, cursor, _ := strings.Cut(token, ".")
	if skip, err = strconv.Atoi(number); err != nil || skip < 0 {
		return "", 0, &fault.Error{
			Code: fault.Invalid, Reason: "CursorInvalid", What: "cannot go on with this list",
			Why: "the token is not one that an earlier page gave", Fix: "start without a token", Field: "$skipToken",
		}
	}
	return cursor, skip, nil
}

func (f *finder) wants(v model.Version) (bool, error) {
	if v.Status != model.Ready || !matches(f.q.Get("framework"), v.Framework) || !matches(f.q.Get("description"), v.Description) ||
		!holdsAll(v.Tags, f.q.Get("tags")) || !holdsAll(v.Tags, f.q.Get("tag")) || !holdsAll(v.Properties, f.q.Get("properties")) {
		return false, nil
	}
	if id := f.q.Get("datasetId"); id != "" {
		if !slices.ContainsFunc(definitionOf(v).Datasets, func(s dataset) bool { return s.ID == id }) {
			return false, nil
		}
	}
	if !strings.EqualFold(f.q.Get("latestVersionOnly"), "true") {
		return true, nil
	}
	latest, ok := f.latest[v.Model]
	if !ok {
		m, err := f.d.Models.Get(f.r.Context(), v.ModelKey())
		if err != nil {
			return false, err
		}
		latest = m.Latest
		f.latest[v.Model] = latest
	}
	return v.Number == latest, nil
}

// holdsAll reports whether labels hold all that a query names: "key" or "key=value", with commas between.
func holdsAll(labels map[string]string, query string) bool {
	if query == "" {
		return true
	}
	for want := range strings.SplitSeq(query, ",") {
		name, value, valued := strings.Cut(want, "=")
		have, ok := labels[name]
		if !ok || valued && have != value {
			return false
		}
	}
	return true
}
