package server

import (
	"context"
	"io"
	"log/slog"

	"github.com/zaffre-ml/zaffre/internal/config"
	"github.com/zaffre-ml/zaffre/internal/driver/all"
	"github.com/zaffre-ml/zaffre/internal/driver/fake"
)

// Run is RunWith with every kind of compute target that there is. A server that keeps nothing has
// targets in memory too, to try things out.
func Run(ctx context.Context, cfg config.Config, out io.Writer, log *slog.Logger) error {
	kinds := all.Kinds()
	if cfg.Ephemeral {
		kinds = append(kinds, fake.Kind(fake.NewWorld()))
	}
	return RunWith(ctx, cfg, out, log, Options{Kinds: kinds})
}

// Serve is Run with the log that the configuration asks for, on the same stream.
func Serve(ctx context.Context, cfg config.Config, talk io.Writer) error {
	return Run(ctx, cfg, talk, NewLog(cfg, talk))
}
