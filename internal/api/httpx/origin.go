package httpx

import (
	"context"
	"net/http"
	"strconv"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/relay"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// maxLane bounds the name of a lane, which is kept as long as the run goes on.
const maxLane = 200

// Origin returns a context that says which job the request comes from, if the relay of a run says so. It fails with
// fault.Invalid, Reason "OriginInvalid": only a run's own token tells of its jobs.
func Origin(r *http.Request, c identity.Caller) (context.Context, error) {
	text := r.Header.Get(relay.Attempt)
	if text == "" {
		return r.Context(), nil
	}
	o := store.Origin{Run: c.Run.ID, Lane: r.Header.Get(relay.Job) + "/" + r.Header.Get(relay.Lane)}
	var err error
	o.Attempt, err = strconv.Atoi(text)
	if seq := r.Header.Get(relay.Sequence); err == nil && seq != "" {
		o.Sequence, err = strconv.ParseInt(seq, 10, 64)
	}
	if err != nil || o.Run == "" || o.Attempt < 1 || o.Sequence < 0 || len(o.Lane) > maxLane {
		return nil, &fault.Error{
			Code: fault.Invalid, Reason: "OriginInvalid", What: "the server does not believe where the request comes from",
			Why: "its headers " + relay.Job + ", " + relay.Attempt + ", " + relay.Lane + " and " + relay.Sequence + " are those of a run's relay, and do not fit its token",
			Fix: "leave them out",
		}
	}
	return store.WithOrigin(r.Context(), o), nil
}
