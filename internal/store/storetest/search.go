package storetest

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/metric"
	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/run/query"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// testSearch compares searches over random runs with the same searches over a slice.
func testSearch(t *testing.T, open func(*testing.T) Store) {
	on(t, open, "random filters", randomSearches)
	on(t, open, "labels follow the run", labelsFollow)
	on(t, open, "long values", longValues)
}

// Search runs the part of the suite about searches, for stores that are opened in other ways.
func Search(t *testing.T, open func(t *testing.T) Store) { testSearch(t, open) }

// sample is a run with what it logged.
type sample struct {
	run.Run
	metrics map[string]float64
	list    bool // it has a metric "list" that is no number
}

// dice draws what samples and filters are made of: from few values, so that they meet.
type dice struct{ *rand.Rand }

func pick[T any](d dice, from ...T) T { return from[d.IntN(len(from))] }

var labelNames = []string{"lr", "a b", "ü/東京", "Lr", "quote'd"}

func (d dice) value() string {
	return pick(d, "", "a", "A", "ab", "a%", "0.1", "0.10", "zürich", "it's", "*", strings.Repeat("x", 99)+pick(d, "", "y", "yz"))
}

func (d dice) number() float64 {
	return pick(d, 0, 1, 2, 2, 0.5, -3, 1e300, math.NaN(), math.Inf(1), math.Inf(-1))
}

func (d dice) labels() map[string]string {
	m := map[string]string{}
	for _, name := range labelNames {
		if d.IntN(2) == 0 {
			m[name] = d.value()
		}
	}
	return m
}

func (d dice) sample(n int) sample {
	r := aRun(n)
	r.Experiment, r.Display, r.User = pick(d, "e", "f", "g"), pick(d, "", "x", "X", "y"), pick(d, "", "ada", "bob")
	r.Tags, r.Params, r.CreatedBy, r.Origin = d.labels(), d.labels(), "ci", run.External
	r.Status.State = pick(d, run.Running, run.Completed, run.Failed)
	r.Created = epoch.Add(time.Duration(d.IntN(5)) * time.Millisecond)
	if d.IntN(2) == 0 {
		r.Status.Started = epoch.Add(time.Duration(d.IntN(20)) * 250 * time.Microsecond)
	}
	if d.IntN(2) == 0 {
		r.Status.Ended = epoch.Add(time.Duration(d.IntN(20)) * 250 * time.Microsecond)
	}
	if d.IntN(5) == 0 {
		r.Deleted = epoch
	}
	s := sample{Run: r, metrics: map[string]float64{}, list: d.IntN(3) == 0}
	for _, name := range []string{"acc", "val loss"} {
		if d.IntN(3) > 0 {
			s.metrics[name] = d.number()
		}
	}
	return s
}

func (d dice) clause() query.Clause {
	c := query.Clause{Field: pick(d, query.Attribute, query.Metric, query.Param, query.Tag), Name: pick(d, labelNames...)}
	switch c.Field {
	case query.Attribute:
		c.Name = pick(d, query.RunID, query.RunName, query.Status, query.UserID, query.StartTime, query.EndTime)
	case query.Metric:
		c.Name = pick(d, "acc", "val loss", "list", "none")
	}
	if query.Numeric(c.Field, c.Name) {
		c.Op = pick(d, query.Equal, query.NotEqual, query.Less, query.LessEqual, query.Greater, query.GreaterEqual, query.IsNull, query.IsNotNull)
		if c.Number = pick(d, 0, 1, 2, 0.5, -4.0); c.Field == query.Attribute {
			c.Number = float64(epoch.UnixMilli()) + c.Number
		}
		return c
	}
	text := func() string {
		return pick(d, d.value(), pick(d, "ada", "ci", "x", "Completed", "name003", "Failed"))
	}
	c.Op = pick(d, query.Equal, query.NotEqual, query.Like, query.ILike, query.In, query.NotIn, query.IsNull, query.IsNotNull)
	switch c.Op {
	case query.In, query.NotIn:
		c.Values = []string{text(), text()}
	case query.Like, query.ILike:
		c.Value = pick(d, "a%", "A%", "%", "_", "%b", "z_rich", "%'s", "*", "x%", "%Y", "%ed", "")
	default:
		c.Value = text()
	}
	return c
}

func (d dice) order() query.Order {
	c := d.clause()
	return query.Order{Field: c.Field, Name: c.Name, Desc: d.IntN(2) == 0}
}

func (d dice) filter() run.Filter {
	f := run.Filter{Workspace: "ws", Deleted: pick(d, run.Live, run.Live, run.DeletedOnly, run.All)}
	for range d.IntN(4) {
		f.Where = append(f.Where, d.clause())
	}
	for range d.IntN(3) {
		o := d.order()
		if !slices.ContainsFunc(f.Order, func(p query.Order) bool { return p.Field == o.Field && p.Name == o.Name }) {
			f.Order = append(f.Order, o)
		}
	}
	f.Experiments = pick(d, nil, nil, []string{"e"}, []string{"e", "g", "none"})
	f.State = pick(d, "", "", "", run.Failed)
	f.Tag = pick(d, "", "", "", "lr", "lr=a")
	if len(f.Where)+len(f.Order)+len(f.Experiments) == 0 {
		f.Order = []query.Order{{Field: query.Attribute, Name: query.StartTime, Desc: true}}
	}
	return f
}

// meets is the filter, said once more.
func (s sample) meets(f run.Filter) bool {
	if !f.Deleted.Shows(s.Deleted) || f.State != "" && s.Status.State != f.State || len(f.Experiments) > 0 && !slices.Contains(f.Experiments, s.Experiment) {
		return false
	}
	if name, value, whole := strings.Cut(f.Tag, "="); f.Tag != "" {
		if got, ok := s.Tags[name]; !ok || whole && got != value {
			return false
		}
	}
	return !slices.ContainsFunc(f.Where, func(c query.Clause) bool {
		text, number, has := s.look(c.Field, c.Name)
		switch {
		case !has:
			return !c.MatchMissing()
		case c.Field == query.Metric && c.Name == "list":
			return c.Op != query.IsNotNull
		case query.Numeric(c.Field, c.Name):
			return !c.MatchNumber(number)
		}
		return !c.Match(text)
	})
}

// look returns what a field of the sample holds.
func (s sample) look(f query.Field, name string) (text string, number float64, has bool) {
	switch f {
	case query.Param:
		text, has = s.Params[name]
	case query.Tag:
		text, has = s.Tags[name]
	case query.Metric:
		if name == "list" {
			return "", 0, s.list
		}
		number, has = s.metrics[name]
	case query.Attribute:
		at := map[string]time.Time{query.StartTime: s.Start(), query.EndTime: s.Status.Ended}[name]
		text = map[string]string{
			query.RunID: s.Name, query.RunName: s.Display, query.Status: string(s.Status.State), query.UserID: s.Owner(),
		}[name]
		return text, float64(at.UnixMilli()), text != "" || !at.IsZero()
	}
	return text, number, has
}

// compare sorts as a search does.
func (s sample) compare(t sample, order []query.Order) int {
	for _, o := range append(slices.Clone(order), query.Order{Field: query.Attribute, Name: query.StartTime, Desc: true}) {
		a, an, ac := s.sortKey(o)
		b, bn, bc := t.sortKey(o)
		c := cmp.Or(cmp.Compare(a, b), cmp.Compare(an, bn))
		if o.Desc {
			c = -c
		}
		if c = cmp.Or(cmp.Compare(ac, bc), c); c != 0 {
			return c
		}
	}
	return cmp.Compare(s.Name, t.Name)
}

func (s sample) sortKey(o query.Order) (text string, number float64, class int) {
	text, number, has := s.look(o.Field, o.Name)
	if o.Field == query.Attribute && o.Name == query.StartTime {
		number = float64(s.Start().UnixMicro())
	} else if o.Field == query.Attribute && o.Name == query.EndTime {
		number = float64(s.Status.Ended.UnixMicro())
	}
	switch {
	case !has || o.Field == query.Metric && o.Name == "list":
		return "", 0, 2
	case number != number:
		return "", 0, 1
	}
	return text, number, 0
}

func randomSearches(t *testing.T, s Store) {
	seed := rand.Uint64()
	d := dice{rand.New(rand.NewPCG(seed, 0))}
	all := fillSamples(t, s, d, 60)
	for n := range 400 {
		f := d.filter()
		var want []string
		slices.SortFunc(all, func(a, b sample) int { return a.compare(b, f.Order) })
		for _, v := range all {
			if v.meets(f) {
				want = append(want, v.Name)
			}
		}
		if diff := gocmp.Diff(want, searched(t, s, f, 1+d.IntN(30))); diff != "" {
			t.Fatalf("seed %d, %d: where %v order %v %+v (-want +got):\n%s", seed, n, f.Where, f.Order, f, diff)
		}
	}
}

// fillSamples inserts samples; half of them change once, so that what is searched follows.
func fillSamples(t *testing.T, s Store, d dice, n int) (all []sample) {
	t.Helper()
	for i := range n {
		v := d.sample(i)
		must(t, s.Runs().Insert(t.Context(), v.Run))
		if i%2 == 0 {
			v.Run = d.sample(i).Run
			_, err := s.Runs().Update(t.Context(), v.Key(), func(r *run.Run) ([]store.Effect, error) {
				v.Experiment = r.Experiment // which does not change
				*r = v.Run
				return nil, nil
			})
			must(t, err)
		}
		var points []metric.Point
		for name, value := range v.metrics {
			points = append(points, metric.Point{Name: name, Value: value, Time: epoch})
		}
		if v.list {
			points = append(points, metric.Point{Name: "list", Kind: metric.List, Data: []byte(`{}`), Time: epoch})
		}
		must(t, s.Metrics(metric.Limits{}).Append(t.Context(), metric.Key{Workspace: "ws", Run: v.ID}, points))
		all = append(all, v)
	}
	return all
}

// searched returns the names of the runs that a filter finds, page by page.
func searched(t *testing.T, s Store, f run.Filter, limit int) (names []string) {
	t.Helper()
	for p := (store.Page{Limit: limit}); ; {
		items, next, err := s.Runs().List(t.Context(), f, p)
		if err != nil {
			t.Fatalf("where %.300v order %v: %v", f.Where, f.Order, err)
		}
		for _, r := range items {
			names = append(names, r.Name)
		}
		if p.Cursor = next; next == "" {
			return names
		}
	}
}

func labelsFollow(t *testing.T, s Store) {
	r := aRun(1)
	r.Tags, r.Params = map[string]string{"a": "1", "b": "2"}, map[string]string{"a": "3"}
	must(t, s.Runs().Insert(t.Context(), r))
	find := func(filter string) int {
		where, err := query.Parse(filter)
		must(t, err)
		return len(searched(t, s, run.Filter{Workspace: "ws", Where: where}, 10))
	}
	_, err := s.Runs().Update(t.Context(), r.Key(), func(r *run.Run) ([]store.Effect, error) {
		delete(r.Tags, "a")
		r.Tags["b"], r.Tags["c"] = "4", "5"
		return nil, nil
	})
	must(t, err)
	for filter, want := range map[string]int{
		"tags.a IS NULL": 1, "tags.b = '2'": 0, "tags.b = '4'": 1, "tags.c = '5'": 1, "params.a = '3'": 1, "params.a = '1'": 0,
	} {
		if got := find(filter); got != want {
			t.Errorf("%s finds %d runs, want %d", filter, got, want)
		}
	}
	must(t, s.Runs().Delete(t.Context(), r.Key()))
	r.Tags, r.Params = nil, nil
	must(t, s.Runs().Insert(t.Context(), r))
	if got := find("tags.b = '4'"); got != 0 {
		t.Errorf("the labels of a run that was removed find %d runs", got)
	}
}

// longValues are longer than what an index of PostgreSQL takes.
func longValues(t *testing.T, s Store) {
	for i := range 3 {
		r := aRun(i)
		r.Params = map[string]string{"p": strings.Repeat("長", 8000-i) + fmt.Sprint(i)}
		must(t, s.Runs().Insert(t.Context(), r))
		where := []query.Clause{{Field: query.Param, Name: "p", Op: query.Equal, Value: r.Params["p"]}}
		if got := searched(t, s, run.Filter{Workspace: "ws", Where: where}, 10); len(got) != 1 || got[0] != r.Name {
			t.Errorf("a long value finds %v, want %s", got, r.Name)
		}
	}
}
