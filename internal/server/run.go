package server

import (
	"context"
	"io"
	"log/slog"

	"github.com/zaffre-ml/zaffre/internal/config"
	"github.com/zaffre-ml/zaffre/internal/driver/all"
)

// Run is RunWith with every kind of compute target that there is.
func Run(ctx context.Context, cfg config.Config, out io.Writer, log *slog.Logger) error {
	return RunWith(ctx, cfg, out, log, Options{Kinds: all.Kinds()})
}
