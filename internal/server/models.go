package server

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/zaffre-ml/zaffre/internal/model"
	"github.com/zaffre-ml/zaffre/internal/store"
)

func (s *server) newModels() *model.Service {
	return model.New(model.Config{
		Models: s.db.Models(), Versions: s.db.Versions(), Logged: s.db.Logged(), Assets: s.db.Assets(), Files: s.files(),
		Run: func(ctx context.Context, k store.Key) (model.Run, error) {
			r, err := s.runs.Get(ctx, k)
			return model.Run{Name: r.Name, ID: r.ID, Snapshot: r.Spec.Snapshot, Environment: r.Spec.Environment}, err
		},
	})
}

// sweepEvery is how often bytes are looked for that no file names.
const sweepEvery = 10 * time.Minute

// sweep removes what died uploads and deleted files left, until ctx ends.
func (s *server) sweep(ctx context.Context) {
	files := s.files()
	for {
		n, err := files.Sweep(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			s.log.WarnContext(ctx, "bytes that no file names are removed later", "err", err)
		case n > 0:
			s.log.InfoContext(ctx, "bytes that no file names removed", "blobs", n)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(sweepEvery/2 + rand.N(sweepEvery)): // several servers do not meet
		}
	}
}
