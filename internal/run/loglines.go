package run

import (
	"bytes"
	"context"
	"io"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// lineMost is how far LogSize looks back for the end of a line; a longer line is shown as it grows.
const lineMost = 64 << 10

// LogSize returns how long the log of an attempt is, 0 if there is none. While the attempt goes on, a line that
// has no end yet is left out: there are clients that count lines, and show none twice. It fails with
// fault.NotFound, Reason "RunNotFound".
func (s *Service) LogSize(ctx context.Context, k store.Key, attempt int) (int64, error) {
	r, err := s.Get(ctx, k)
	if err != nil {
		return 0, err
	}
	name := logBlob(r, attempt)
	size, err := s.Blobs.Size(ctx, name)
	if fault.CodeOf(err) == fault.NotFound {
		return 0, nil
	}
	if err != nil || r.Status.State.Final() || len(r.Status.Attempts) > attempt {
		return size, err
	}
	return s.lastLine(ctx, name, size)
}

// lastLine returns where the last line of a blob of a size ends.
func (s *Service) lastLine(ctx context.Context, name string, size int64) (int64, error) {
	from := max(0, size-lineMost)
	body, err := s.Blobs.Open(ctx, name, from)
	if err != nil {
		return 0, err
	}
	defer body.Close()
	tail, err := io.ReadAll(io.LimitReader(body, size-from))
	if err != nil {
		return 0, err
	}
	if n := bytes.LastIndexByte(tail, '\n'); n >= 0 {
		return from + int64(n) + 1, nil
	}
	if from == 0 {
		return 0, nil
	}
	return size, nil
}
