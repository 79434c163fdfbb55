package source

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// errEnough ends a walk that is so far over its limit that more files would tell nothing new.
var errEnough = errors.New("enough files seen")

// budget counts what a walk finds.
type budget struct {
	maxFiles, files int
	maxBytes, bytes int64
}

func newBudget(o Options) *budget {
	return &budget{maxFiles: cmp.Or(o.Files, defaultFiles), maxBytes: cmp.Or(o.Bytes, defaultBytes)}
}

// add counts a file. Past the limit it goes on for a while, to be able to name what is large.
func (b *budget) add(size int64) error {
	b.files++
	b.bytes += size
	if b.files > 2*b.maxFiles+1000 {
		return errEnough
	}
	return nil
}

func (b *budget) check(entries []*entry) error {
	if b.files <= b.maxFiles && b.bytes <= b.maxBytes {
		return nil
	}
	why := fmt.Sprintf("it has %d files with together %s, and at most %d files with %s are taken; the largest are %s",
		b.files, bytesOf(b.bytes), b.maxFiles, bytesOf(b.maxBytes), largest(entries))
	if b.files > b.maxFiles {
		why += "; most files are in " + fullest(entries)
	}
	return &fault.Error{
		Code: fault.Invalid, Reason: "FolderTooLarge", What: "the folder is too large to go with a run", Why: why,
		Fix: "name what the run does not need in a file .amlignore, in the form of .gitignore; keep data in a datastore",
	}
}

// named is how many files or folders a fault names.
const named = 5

func largest(entries []*entry) string {
	list := slices.Clone(entries)
	slices.SortStableFunc(list, func(a, b *entry) int { return cmp.Compare(b.Size, a.Size) })
	var out []string
	for _, e := range list[:min(named, len(list))] {
		out = append(out, fmt.Sprintf("%.256q (%s)", e.Path, bytesOf(e.Size)))
	}
	return strings.Join(out, ", ")
}

// fullest names the folders right below the root that have the most files.
func fullest(entries []*entry) string {
	counts := map[string]int{}
	for _, e := range entries {
		if top, _, ok := strings.Cut(e.Path, "/"); ok {
			counts[top+"/"]++
		} else {
			counts["./"]++
		}
	}
	var folders []string
	for f := range counts {
		folders = append(folders, f)
	}
	slices.SortFunc(folders, func(a, b string) int { return cmp.Or(counts[b]-counts[a], strings.Compare(a, b)) })
	var out []string
	for _, f := range folders[:min(named, len(folders))] {
		out = append(out, fmt.Sprintf("%.256q (%d)", f, counts[f]))
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
