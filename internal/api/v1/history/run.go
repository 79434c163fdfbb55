package history

import (
	"fmt"

	"github.com/zaffre-ml/zaffre/internal/api/v1/face"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/run"
)

// find returns the run that the path names, if it is in the experiment that the path names.
func (a *api) find(r *face.Request) (run.Run, error) {
	v, err := a.Runs.Get(r.Context(), r.Key(r.PathValue("run")))
	if err != nil {
		return v, err
	}
	want, has := r.PathValue("experiment"), v.Experiment
	if id := r.PathValue("experimentid"); id != "" {
		want = id
		if has, err = a.ids.of(r.Context(), a.Runs, r.Key(v.Experiment)); err != nil {
			return v, err
		}
	}
	if want != "" && want != has {
		return v, &fault.Error{
			Code: fault.NotFound, Reason: "RunNotFound", What: fmt.Sprintf("there is no run %q in the experiment %q", v.Name, want),
			Why: "it is in the experiment " + v.Experiment, Fix: "run: zaffre run show " + v.Name,
		}
	}
	return v, nil
}

func (a *api) get(r *face.Request) (any, error) {
	v, err := a.find(r)
	if err != nil {
		return nil, err
	}
	return a.dto(r, v)
}

func (a *api) patch(r *face.Request) (any, error) {
	in, err := face.Body[patch](r)
	if err != nil {
		return nil, err
	}
	experiment, err := a.experimentName(r)
	if err != nil {
		return nil, err
	}
	v, err := a.put(r, experiment, r.PathValue("run"), in)
	if err != nil {
		return nil, err
	}
	return a.dto(r, v)
}

// patchMany answers for each run by itself.
func (a *api) patchMany(r *face.Request) (any, error) {
	in, err := face.Body[struct{ Runs []patch }](r)
	if err != nil {
		return nil, err
	}
	runs, errs := dto{}, dto{}
	for _, p := range in.Runs {
		v, err := a.put(r, r.PathValue("experiment"), p.id, p)
		if err == nil {
			runs[p.id], err = a.dto(r, v)
		}
		if err != nil {
			errs[p.id] = errorOf(err)
		}
	}
	return dto{"runs": runs, "errors": errs}, nil
}

// errorOf is a fault in an answer that has others beside it.
func errorOf(err error) dto {
	f := fault.From(err)
	return dto{"error": dto{"code": "UserError", "message": f.Error(), "details": []any{}, "innerError": dto{"code": f.Reason}}}
}

// put creates a run or changes it. What comes in between is done again: each part may happen twice.
func (a *api) put(r *face.Request, experiment, name string, p patch) (run.Run, error) {
	if err := p.check(); err != nil {
		return run.Run{}, err
	}
	v, err := a.Runs.Get(r.Context(), r.Key(name))
	if fault.CodeOf(err) == fault.NotFound {
		var created bool
		if v, created, err = a.Runs.CreateExternal(r.Context(), p.request(r.Workspace, experiment, name)); created || err != nil {
			return v, err
		}
	}
	if err != nil {
		return v, err
	}
	if v.Experiment != experiment || p.parent != "" && p.parent != v.Parent {
		return v, &fault.Error{
			Code: fault.Invalid, Reason: "RunElsewhere", What: fmt.Sprintf("cannot change the run %q", name),
			Why: fmt.Sprintf("it is in the experiment %q, below the run %q, and stays there", v.Experiment, v.Parent),
			Fix: "choose another ID for a new run", Field: "parentRunId",
		}
	}
	return a.Runs.UpdateExternal(r.Context(), v.Key(), p.change(v))
}

func (a *api) untag(r *face.Request) (any, error) {
	tags, err := face.Body[[]string](r)
	if err != nil {
		return nil, err
	}
	v, err := a.find(r)
	if err == nil {
		v, err = a.Runs.UpdateExternal(r.Context(), v.Key(), run.Change{RemoveTags: tags})
	}
	if err != nil {
		return nil, err
	}
	return a.dto(r, v)
}

// token gives a run's token to whoever made the run, and to the run itself: with it one acts for its maker.
func (a *api) token(r *face.Request) (any, error) {
	if err := identity.Require(r.Context(), r.Workspace, identity.Tracker); err != nil {
		return nil, err
	}
	v, err := a.find(r)
	if err != nil {
		return nil, err
	}
	if who := identity.From(r.Context()).Name; who != v.CreatedBy {
		return nil, &fault.Error{
			Code: fault.Denied, Reason: "RunOfAnother", What: fmt.Sprintf("there is no token of the run %q for %q", v.Name, who),
			Why: "with it one logs as who made the run: " + v.CreatedBy, Fix: "use your own token",
		}
	}
	out, err := a.dto(r, v)
	if err != nil {
		return nil, err
	}
	text, expires := a.Token(v)
	out["token"], out["tokenExpiryTimeUtc"], out["expiryTimeUtc"] = text, stamp(expires), stamp(expires)
	return out, nil
}

func (a *api) ingested(*face.Request) (any, error) { return struct{}{}, nil }
