package history

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/api/v1/face"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/run/query"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// listing asks for a page of a list.
type listing struct {
	Filter, OrderBy, ContinuationToken string
	Top                                int
}

const (
	pageMost = 1000
	scanMost = 5000 // rows that one answer looks through
)

func (l listing) limit() int {
	if l.Top <= 0 || l.Top > pageMost {
		return pageMost
	}
	return l.Top
}

type page[T any] struct {
	Value []T     `json:"value"`
	Next  *string `json:"continuationToken"`
}

func (a *api) query(r *face.Request) (any, error) {
	in, err := face.Body[listing](r)
	if err != nil {
		return nil, err
	}
	return a.list(r, run.Filter{Workspace: r.Workspace, Experiment: r.PathValue("experiment")}, in)
}

func (a *api) children(r *face.Request) (any, error) {
	v, err := a.find(r)
	if err != nil {
		return nil, err
	}
	return a.list(r, run.Filter{Workspace: r.Workspace, Parent: v.Name}, listed(r))
}

func (a *api) ofCompute(r *face.Request) (any, error) {
	return a.list(r, run.Filter{Workspace: r.Workspace, Target: r.PathValue("compute")}, listed(r))
}

func listed(r *face.Request) listing {
	q := r.Request.URL.Query()
	top, _ := strconv.Atoi(q.Get("$top")) // 0: as many as there may be
	order := q.Get("$orderby")
	if s := q.Get("$sortorder"); s != "" && order != "" && !strings.Contains(order, " ") {
		order += " " + strings.ToLower(s)
	}
	return listing{Filter: q.Get("$filter"), OrderBy: order, ContinuationToken: q.Get("$continuationToken"), Top: top}
}

// list answers with the runs of f that meet a filter. What the store cannot select is looked through here,
// a part at a time: an answer may have fewer than were asked for, and say where it goes on.
func (a *api) list(r *face.Request, f run.Filter, in listing) (any, error) {
	want, err := parseFilter(in.Filter)
	if err != nil {
		return nil, err
	}
	want = want.narrow(&f)
	if err := order(&f, in.OrderBy); err != nil {
		return nil, err
	}
	at, skip := position(in.ContinuationToken)
	out := page[dto]{Value: []dto{}}
	size := in.limit()
	if want != nil {
		size = pageMost
	}
	for seen := 0; seen < scanMost; {
		rows, next, err := a.Runs.List(r.Context(), f, store.Page{Limit: size, Cursor: at})
		if err != nil {
			return nil, err
		}
		for i := min(skip, len(rows)); i < len(rows); i++ {
			if len(out.Value) == in.limit() {
				out.Next = new(strconv.Itoa(i) + ":" + at)
				return out, nil
			}
			if err := a.add(r, &out, rows[i], want); err != nil {
				return nil, err
			}
		}
		seen, at, skip = seen+len(rows), next, 0
		if next == "" {
			return out, nil
		}
		if len(out.Value) == in.limit() {
			break
		}
	}
	out.Next = new("0:" + at)
	return out, nil
}

func (a *api) add(r *face.Request, out *page[dto], v run.Run, want *filter) error {
	d, err := a.dto(r, v)
	if err == nil && want.match(runFields(v, d)) {
		out.Value = append(out.Value, d)
	}
	return err
}

// position takes a continuation token apart: how many rows of the page at a cursor were seen.
func position(token string) (cursor string, skip int) {
	n, cursor, ok := strings.Cut(token, ":")
	if skip, err := strconv.Atoi(n); ok && err == nil && skip >= 0 {
		return cursor, skip
	}
	return token, 0
}

// order sorts as the SDK asks. Without an order the newest comes first.
func order(f *run.Filter, text string) error {
	column, direction, _ := strings.Cut(strings.TrimSpace(text), " ")
	o := query.Order{Field: query.Attribute, Desc: strings.EqualFold(strings.TrimSpace(direction), "desc")}
	switch strings.ToLower(column) {
	case "":
		return nil
	case "createdutc", "runnumber":
		if o.Desc {
			return nil
		}
		o.Name = query.StartTime
	case "starttimeutc":
		o.Name = query.StartTime
	case "endtimeutc":
		o.Name = query.EndTime
	case "runid":
		o.Name = query.RunID
	case "status":
		o.Name = query.Status
	case "name", "displayname":
		o.Name = query.RunName
	default:
		tag, ok := strings.CutPrefix(column, "Tags/")
		if !ok {
			return &fault.Error{
				Code: fault.Invalid, Reason: "FilterInvalid", What: "the runs cannot be sorted by " + column,
				Why: "it is none of StartTimeUtc, EndTimeUtc, CreatedUtc, RunId, Status, Name, Tags/NAME", Fix: "choose one of these", Field: "orderby",
			}
		}
		o.Field, o.Name = query.Tag, tag
	}
	f.Order = []query.Order{o}
	return nil
}

// experimentFields are what a filter may ask of an experiment.
func experimentFields(e run.Experiment) fields {
	return func(path string) (string, bool) {
		if tag, ok := cutFold(path, "Tags/"); ok {
			v, ok := e.Tags[tag]
			return v, ok
		}
		switch strings.ToLower(path) {
		case "name":
			return e.Name, true
		case "experimentid":
			return e.ID, true
		}
		return "", false
	}
}

// runFields are what a filter may ask of a run.
func runFields(v run.Run, d dto) fields {
	return func(path string) (string, bool) {
		if tag, ok := cutFold(path, "Tags/"); ok {
			s, ok := v.Tags[tag]
			return s, ok
		}
		if name, ok := cutFold(path, "Properties/"); ok {
			s, ok := v.Properties[name]
			return s, ok
		}
		switch strings.ToLower(path) {
		case "runid":
			return v.Name, true
		case "parentrunid":
			return v.Parent, v.Parent != ""
		case "rootrunid":
			return v.Top(), true
		case "status":
			return words[v.Status.State], true
		case "target":
			return cmp.Or(v.Spec.Target, textOf(d["target"])), true
		case "name", "displayname":
			return cmp.Or(v.Display, v.Name), true
		case "createdutc":
			return stamp(v.Created), true
		case "starttimeutc":
			return stamp(v.Status.Started), !v.Status.Started.IsZero()
		case "runtype":
			return textOf(d["runType"]), d["runType"] != nil
		}
		return kindOf(d, path)
	}
}

func cutFold(path, prefix string) (string, bool) {
	if len(path) < len(prefix) || !strings.EqualFold(path[:len(prefix)], prefix) {
		return "", false
	}
	return path[len(prefix):], true
}
