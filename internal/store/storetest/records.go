package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// records says how to test the store of one type.
type records[T, F any] struct {
	of     func(Store) store.Repo[T, F]
	key    func(T) store.Key
	make   func(n int) T        // the nth in the list's order, for 0 <= n < 1000
	named  func(v *T, s string) // gives it a name
	touch  func(v *T)           // changes something, each time
	filter F                    // selects what make makes
}

func (r records[T, F]) test(t *testing.T, open func(*testing.T) Store) {
	on(t, open, "keeps every field", r.keeps)
	on(t, open, "inserts once", r.inserts)
	on(t, open, "knows what is missing", r.missing)
	on(t, open, "updates", r.updates)
	on(t, open, "undoes a failed update", r.undoes)
	on(t, open, "loses no update", r.races)
	on(t, open, "deletes", r.deletes)
	on(t, open, "lists in order, by pages", r.lists)
	on(t, open, "keeps its place in a changing list", r.pages)
	on(t, open, "takes odd names", r.names)
}

func (r records[T, F]) want(t *testing.T, s Store, want T) {
	t.Helper()
	got, err := r.of(s).Get(t.Context(), r.key(want))
	must(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
}

func (r records[T, F]) keeps(t *testing.T, s Store) {
	full := filled[T]()
	must(t, r.of(s).Insert(t.Context(), full))
	r.want(t, s, full)
	plain := r.make(7)
	must(t, r.of(s).Insert(t.Context(), plain))
	r.want(t, s, plain)
	got, err := r.of(s).Update(t.Context(), r.key(full), func(*T) ([]store.Effect, error) { return nil, nil })
	must(t, err)
	if diff := cmp.Diff(full, got); diff != "" {
		t.Errorf("what Update returns (-want +got):\n%s", diff)
	}
}

func (r records[T, F]) inserts(t *testing.T, s Store) {
	ctx, v := t.Context(), r.make(1)
	must(t, r.of(s).Insert(ctx, v, store.Wake{Kind: "a", ID: "1"}))
	other := v
	r.touch(&other)
	err := r.of(s).Insert(ctx, other, store.Wake{Kind: "b", ID: "1"}, store.Take{Space: "s", Name: "n", Holder: "h"})
	if fault.CodeOf(err) != fault.Exists {
		t.Errorf("the second Insert returned %v, want %s", err, fault.Exists)
	}
	r.want(t, s, v)
	if due, err := s.NextDue(ctx, "b"); err != nil || !due.IsZero() {
		t.Errorf("the refused Insert woke a record at %v, %v", due, err)
	}
	if taken, err := s.Taken(ctx, "s"); err != nil || len(taken) > 0 {
		t.Errorf("the refused Insert took %v, %v", taken, err)
	}
}

func (r records[T, F]) missing(t *testing.T, s Store) {
	k := r.key(r.make(1))
	_, err := r.of(s).Get(t.Context(), k)
	_, err2 := r.of(s).Update(t.Context(), k, func(*T) ([]store.Effect, error) {
		t.Error("changed a record that is not there")
		return nil, nil
	})
	for _, err := range []error{err, err2} {
		f := fault.From(err)
		if f == nil || f.Code != fault.NotFound || f.Reason == "" || f.Fix == "" || !strings.Contains(f.What, k.Name) {
			t.Errorf("a missing record is %+v, want a fault that says so", f)
		}
	}
}

func (r records[T, F]) updates(t *testing.T, s Store) {
	v := r.make(1)
	must(t, r.of(s).Insert(t.Context(), v))
	want := v
	r.touch(&want)
	got, err := r.of(s).Update(t.Context(), r.key(v), func(v *T) ([]store.Effect, error) {
		r.touch(v)
		return []store.Effect{store.Wake{Kind: "a", ID: "1"}}, nil
	})
	must(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what Update returns (-want +got):\n%s", diff)
	}
	r.want(t, s, want)
	if due, err := s.NextDue(t.Context(), "a"); err != nil || due.IsZero() {
		t.Errorf("the effect of Update did not happen: %v, %v", due, err)
	}
}

func (r records[T, F]) undoes(t *testing.T, s Store) {
	v, no := r.make(1), errors.New("no")
	must(t, r.of(s).Insert(t.Context(), v))
	wake := store.Wake{Kind: "a", ID: "1"}
	_, err := r.of(s).Update(t.Context(), r.key(v), func(v *T) ([]store.Effect, error) {
		r.touch(v)
		return []store.Effect{wake}, no
	})
	if !errors.Is(err, no) {
		t.Errorf("Update returned %v, want what change returned", err)
	}
	must(t, r.of(s).Insert(t.Context(), r.make(2), store.Take{Space: "s", Name: "n", Holder: "other"}))
	_, err = r.of(s).Update(t.Context(), r.key(v), func(v *T) ([]store.Effect, error) {
		r.touch(v)
		return []store.Effect{wake, store.Take{Space: "s", Name: "n", Holder: "me"}}, nil
	})
	if fault.ReasonOf(err) != "Taken" {
		t.Errorf("Update returned %v, want Taken", err)
	}
	r.want(t, s, v)
	if due, err := s.NextDue(t.Context(), "a"); err != nil || !due.IsZero() {
		t.Errorf("a failed Update woke a record: %v, %v", due, err)
	}
}

// races has 16 writers change one record: each change must see the one before.
func (r records[T, F]) races(t *testing.T, s Store) {
	v := r.make(1)
	must(t, r.of(s).Insert(t.Context(), v))
	const writers, each = 16, 10
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				_, err := r.of(s).Update(t.Context(), r.key(v), func(v *T) ([]store.Effect, error) {
					r.touch(v)
					return nil, nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for range writers * each {
		r.touch(&v)
	}
	r.want(t, s, v)
}

func (r records[T, F]) deletes(t *testing.T, s Store) {
	ctx, v := t.Context(), r.make(1)
	must(t, r.of(s).Delete(ctx, r.key(v), store.Wake{Kind: "a", ID: "1"}))
	if due, err := s.NextDue(ctx, "a"); err != nil || !due.IsZero() {
		t.Errorf("a Delete of nothing woke a record: %v, %v", due, err)
	}
	must(t, r.of(s).Insert(ctx, v))
	must(t, r.of(s).Delete(ctx, r.key(v), store.Wake{Kind: "a", ID: "1"}))
	if _, err := r.of(s).Get(ctx, r.key(v)); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("Get of a deleted record returned %v", err)
	}
	if due, err := s.NextDue(ctx, "a"); err != nil || due.IsZero() {
		t.Errorf("the effect of Delete did not happen: %v, %v", due, err)
	}
	must(t, r.of(s).Insert(ctx, v))
	r.want(t, s, v)
}

func (r records[T, F]) lists(t *testing.T, s Store) {
	const n = 25
	var want []store.Key
	order := []int{}
	for i := range n {
		want = append(want, r.key(r.make(i)))
		order = append(order, i*7%n)
	}
	for _, i := range order {
		must(t, r.of(s).Insert(t.Context(), r.make(i)))
	}
	for _, limit := range []int{0, 1, 7, n, 5000} {
		if diff := cmp.Diff(want, r.all(t, s, limit, nil)); diff != "" {
			t.Errorf("list by %d (-want +got):\n%s", limit, diff)
		}
	}
	for _, cursor := range []string{"x", "!", "W10", "WzEsMiwzLDRd", "bnVsbA"} {
		_, _, err := r.of(s).List(t.Context(), r.filter, store.Page{Cursor: cursor})
		if fault.CodeOf(err) != fault.Invalid {
			t.Errorf("List with the cursor %q returned %v, want %s", cursor, err, fault.Invalid)
		}
	}
}

// all returns the keys of all pages; between is called after each.
func (r records[T, F]) all(t *testing.T, s Store, limit int, between func()) (keys []store.Key) {
	t.Helper()
	p := store.Page{Limit: limit}
	for {
		items, next, err := r.of(s).List(t.Context(), r.filter, p)
		must(t, err)
		for _, v := range items {
			keys = append(keys, r.key(v))
		}
		if next == "" {
			return keys
		}
		if len(items) != limit {
			t.Fatalf("a page of %d that is not the last, want %d", len(items), limit)
		}
		if p.Cursor = next; between != nil {
			between()
		}
	}
}

// pages inserts before and after the place where a list is read: what was there is seen once.
func (r records[T, F]) pages(t *testing.T, s Store) {
	for i := range 20 {
		must(t, r.of(s).Insert(t.Context(), r.make(10*i+5)))
	}
	extra := 0
	got := r.all(t, s, 3, func() {
		for _, i := range []int{10 * extra, 199 - 10*extra} { // none ends in 5
			must(t, r.of(s).Insert(t.Context(), r.make(i)))
		}
		extra++
	})
	count := map[store.Key]int{}
	for _, k := range got {
		count[k]++
	}
	for k, n := range count {
		if n != 1 {
			t.Errorf("%v was listed %d times", k, n)
		}
	}
	for i := range 20 {
		if k := r.key(r.make(10*i + 5)); count[k] != 1 {
			t.Errorf("%v was listed %d times, want once", k, count[k])
		}
	}
}

var oddNames = []string{
	`it's "quoted"`, "a/b/../c", "zürich/東京 🚀", "%_\\*?", "; DROP TABLE run; --", "$1 ?1", "A", "a", strings.Repeat("x", 256), "\u007f�",
}

func (r records[T, F]) names(t *testing.T, s Store) {
	ctx := context.WithoutCancel(t.Context())
	var want []string
	for _, name := range oddNames {
		v := r.make(1)
		r.named(&v, name)
		must(t, r.of(s).Insert(ctx, v))
		r.want(t, s, v)
		want = append(want, r.key(v).String())
	}
	var got []string
	for _, k := range r.all(t, s, 3, nil) {
		got = append(got, k.String())
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("names in the list (-want +got):\n%s", diff)
	}
	for _, name := range []string{"a\x00b", "\xff\xfe"} {
		v := r.make(2)
		r.named(&v, name)
		if err := r.of(s).Insert(ctx, v); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("Insert with the name %q returned %v, want %s", name, err, fault.Invalid)
		}
	}
}

func numbered(prefix string, n int) string { return fmt.Sprintf("%s%03d", prefix, n) }
