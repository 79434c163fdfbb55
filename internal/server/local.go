package server

import (
	"context"
	"slices"

	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/driver"
)

// ensureServerTarget makes the target "server" exist, with the settings of the configuration.
func (s *server) ensureServerTarget(ctx context.Context) error {
	i := slices.IndexFunc(s.kinds, func(k driver.Kind) bool { return k.Implicit })
	if i < 0 {
		return nil
	}
	options := map[string]any{}
	if s.cfg.LocalSlots > 0 {
		options["slots"] = int64(s.cfg.LocalSlots)
	}
	if s.cfg.LocalUser != "" {
		options["user"] = s.cfg.LocalUser
	}
	return s.computes.Ensure(ctx, compute.ServerKey, s.kinds[i].Name, options)
}
