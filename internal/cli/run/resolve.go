package run

import (
	"context"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

// Resolve returns the run that an argument means: its ID, a prefix of it of at least four letters that
// no other run has, or "last".
func Resolve(ctx context.Context, a *frame.App, s *frame.Session, arg string) (client.Run, error) {
	return resolve(ctx, a, s, arg)
}
