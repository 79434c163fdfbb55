package server

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/driver"
)

// workDir is the folder of the target "server" in the data folder, where code runs as the server's own
// user. Another user could not enter there: the driver then chooses.
const workDir = "work"

// implicit returns the kind of the target "server".
func (s *server) implicit() (driver.Kind, bool) {
	i := slices.IndexFunc(s.kinds, func(k driver.Kind) bool { return k.Implicit })
	if i < 0 {
		return driver.Kind{}, false
	}
	return s.kinds[i], true
}

// ensureServerTarget makes the target "server" exist, with the settings of the configuration.
func (s *server) ensureServerTarget(ctx context.Context) error {
	kind, ok := s.implicit()
	if !ok {
		return nil
	}
	options := map[string]any{"slots": int64(s.cfg.LocalSlots), "user": s.cfg.LocalUser}
	own, err := runsAsServer(s.cfg.LocalUser, os.Geteuid())
	if err != nil {
		return err
	}
	switch {
	case own:
		options["workDirectory"] = filepath.Join(s.place.data, workDir)
	case s.place.temp != "":
		options["workDirectory"] = filepath.Join(s.place.temp, workDir)
	}
	return s.computes.Ensure(ctx, compute.ServerKey, kind.Name, options)
}

const cleanWithin = 10 * time.Second

// cleanServerTarget ends what an ephemeral server started on its machine and takes it away: nobody else
// would.
func (s *server) cleanServerTarget() {
	if _, ok := s.implicit(); !ok || s.place.temp == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), cleanWithin)
	defer cancel()
	t, err := s.db.Targets().Get(ctx, compute.ServerKey)
	if err == nil {
		err = s.computes.Use(ctx, t, func(c driver.Conn) error {
			cleaner, err := driver.As[driver.Cleaner](c)
			if err != nil {
				return err
			}
			_, err = cleaner.Clean(ctx, false)
			return err
		})
	}
	if err != nil {
		s.log.Warn("what ran here was not cleaned up", "err", err)
	}
}
