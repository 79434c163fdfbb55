package snapshot

import (
	"fmt"
	"slices"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// named is how many files a fault names.
const named = 5

func checkHash(hash string) error {
	if len(hash) == 64 && strings.Trim(hash, "0123456789abcdef") == "" {
		return nil
	}
	return &fault.Error{
		Code: fault.Invalid, Reason: "HashInvalid", What: fmt.Sprintf("the hash %.64q cannot be used", hash),
		Why: "it is not 64 lower-case hex digits", Fix: "send the SHA-256 of the file's bytes in hex",
	}
}

func invalidFile(reason, path, why, fix string) error {
	if len(path) > 256 {
		path = path[:256] + "…"
	}
	return &fault.Error{
		Code: fault.Invalid, Reason: reason, What: fmt.Sprintf("the file %q cannot be in a snapshot", path), Why: why, Fix: fix,
	}
}

func (s *Blobs) checkLimits(files []driver.File) error {
	left := s.limits.Bytes
	for _, f := range files {
		if left -= min(max(f.Size, 0), s.limits.Bytes+1); left < 0 {
			break
		}
	}
	if left >= 0 && len(files) <= s.limits.Files {
		return nil
	}
	return &fault.Error{
		Code: fault.Invalid, Reason: "SnapshotTooLarge", What: "the folder is too large for a snapshot",
		Why: fmt.Sprintf("it has %d files, and %s; at most %d files with together %s are taken",
			len(files), largest(files), s.limits.Files, bytesOf(s.limits.Bytes)),
		Fix: "name what the run does not need in a file .amlignore, in the form of .gitignore; keep data in a datastore",
	}
}

func fileTooLarge(limit int64) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "SnapshotTooLarge", What: "a file is too large for a snapshot",
		Why: "it has more than " + bytesOf(limit), Fix: "name it in a file .amlignore, in the form of .gitignore; keep data in a datastore",
	}
}

func largest(files []driver.File) string {
	files = slices.Clone(files)
	slices.SortFunc(files, func(a, b driver.File) int { return int(max(-1, min(1, b.Size-a.Size))) })
	var out []string
	for _, f := range files[:min(named, len(files))] {
		out = append(out, fmt.Sprintf("%.256q (%s)", f.Path, bytesOf(f.Size)))
	}
	return "the largest are " + strings.Join(out, ", ")
}

func few(paths []string) string {
	var out []string
	for _, p := range paths[:min(named, len(paths))] {
		out = append(out, fmt.Sprintf("%.256q", p))
	}
	if len(paths) > named {
		out = append(out, "…")
	}
	return strings.Join(out, ", ")
}

func bytesOf(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d bytes", n)
}

func notFound(id ID) error {
	return &fault.Error{
		Code: fault.NotFound, Reason: "SnapshotNotFound", What: fmt.Sprintf("cannot open the snapshot %.64q", string(id)),
		Why: "there is no such snapshot", Fix: "check the ID, or send the folder again",
	}
}

func damaged(id ID, err error) error {
	return &fault.Error{
		Code: fault.Internal, Reason: "SnapshotDamaged", What: fmt.Sprintf("cannot open the snapshot %q", string(id)),
		Why: "its manifest is not what was stored", Fix: "check the disk of the data folder, and restore from a backup", Err: err,
	}
}
