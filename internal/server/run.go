package server

import (
	"context"
	"io"

	"github.com/zaffre-ml/zaffre/internal/config"
	"github.com/zaffre-ml/zaffre/internal/driver/all"
	"github.com/zaffre-ml/zaffre/internal/driver/fake"
)

// Run is RunWith for every kind of this build, with the log that the configuration asks for. A server
// that keeps nothing has targets in memory too, to try things out.
func Run(ctx context.Context, cfg config.Config, talk io.Writer) error {
	kinds := all.Kinds()
	if cfg.Ephemeral {
		kinds = append(kinds, fake.Kind(fake.NewWorld()))
	}
	log := NewLog(cfg, talk)
	return RunWith(ctx, cfg, talk, log, Options{Kinds: kinds})
}
