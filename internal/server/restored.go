package server

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Settings of a database that was restored: when its backup was taken, and that of which the targets need no more looks.
const (
	restoredSetting = "restored.backup"
	searchedSetting = "restored.searched"
)

// searchAgain is between two looks at targets of which one did not answer, or has such a job.
const searchAgain = time.Minute

// restored returns when the backup was taken that the database was last restored from; zero: it never was.
func (s *server) restored(ctx context.Context) (time.Time, error) {
	text, err := s.db.Setting(ctx, restoredSetting)
	if fault.CodeOf(err) == fault.NotFound {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	return time.Parse(time.RFC3339, text)
}

// searching reports whether the targets of a database that was restored are still looked at.
func (s *server) searching(ctx context.Context) bool {
	backup, err := s.db.Setting(ctx, restoredSetting)
	if err != nil {
		return false // most never were
	}
	done, _ := s.db.Setting(ctx, searchedSetting)
	return done != backup
}

// findOrphans has the targets looked at after a backup was restored, for jobs of runs that it does not hold: until all
// have answered, and no such job goes on.
func (s *server) findOrphans(ctx context.Context) {
	for seen := map[string]bool{}; s.searching(ctx) && ctx.Err() == nil; {
		err := s.runs.FindOrphans(ctx, seen)
		if err != nil {
			s.log.WarnContext(ctx, "jobs of runs that the backup does not hold are looked for again", "err", err, "again_in", searchAgain)
		} else if !slices.Contains(slices.Collect(maps.Values(seen)), false) {
			s.searched(ctx)
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(searchAgain):
		}
	}
}

// searched notes that nothing is left to look for. Where that cannot be written, the next start looks again.
func (s *server) searched(ctx context.Context) {
	backup, err := s.db.Setting(ctx, restoredSetting)
	if err == nil {
		err = s.db.SetSetting(ctx, searchedSetting, backup)
	}
	if err != nil {
		s.log.WarnContext(ctx, "it cannot be noted that the targets were searched", "err", err)
	}
}
