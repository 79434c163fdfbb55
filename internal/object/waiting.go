package object

import (
	"context"
	"strings"
	"time"
)

// Wait is how long files of a Waiting stay after the last of them was written. It is twice as long as the
// addresses are good that such files are written to and read from: who still has one finds them.
const Wait = 48 * time.Hour

// Waiting says what files wait for, whose sender has not said yet what they are. Sweep removes those that wait
// in vain; what became of them, in other owners' names, stays.
type Waiting string

// The kinds of waiting.
const (
	Blocks  Waiting = "blocks"  // to become one file
	Content Waiting = "content" // to become a snapshot
	Upload  Waiting = "upload"  // to become a version of a model
)

// Owner returns the name of an owner whose files wait. The last part tells him from all others of his kind.
func (w Waiting) Owner(parts ...string) string { return string(w) + "/" + strings.Join(parts, "/") }

// expire removes the files of those whose last one came before a time.
func (s *Store) expire(ctx context.Context, w Waiting, before time.Time) error {
	const page = 100
	for after := w.Owner(); ; {
		owners, err := s.rows.Owners(ctx, w.Owner(), after, page)
		if err != nil {
			return err
		}
		for _, o := range owners {
			if err := s.rows.Expire(ctx, o, before); err != nil {
				return err
			}
		}
		if len(owners) < page {
			return nil
		}
		after = owners[page-1]
	}
}

// Expired reports whether a file that waits has less time left than one that is written now would have to be
// read: whoever hands out an address of it writes it again first.
func Expired(f File) bool { return time.Since(f.Created) > Wait/2 }
