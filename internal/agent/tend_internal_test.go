package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/agent/envbuild"
)

// Of the files that runs sent, those go that nobody asked for in a while, and of the others the longest unasked
// until the rest fits; what was asked for today stays. What came only in part goes after a day.
func TestFilesStayWithinBounds(t *testing.T) {
	t.Parallel()
	s := &server{root: t.TempDir()}
	keep := func(name string, unasked time.Duration) {
		path := filepath.Join(s.root, filesDir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.Repeat("x", 100)), 0o600); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(-unasked)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	const day = 24 * time.Hour
	keep("aa/aa-ancient", 20*day)
	keep("aa/aa-old", 5*day)
	keep("bb/bb-older", 6*day)
	keep("bb/bb-new", time.Hour)
	keep("cc/cc-new", 2*time.Hour)
	keep("parts/part-left", 2*day)
	keep("parts/part-new", 3*time.Hour)
	for _, c := range []struct {
		reason string
		most   int64
		want   []string
	}{
		{"no size: by age alone", 0, []string{"aa-old", "bb-new", "bb-older", "cc-new", "part-new"}},
		{"by size, the longest unasked first", 400, []string{"aa-old", "bb-new", "cc-new", "part-new"}},
		{"today's stay, whatever the size", 50, []string{"bb-new", "cc-new", "part-new"}},
	} {
		s.pruneFiles(c.most)
		var got []string
		for _, dir := range s.folders(filesDir) {
			for _, name := range s.folders(filepath.Join(filesDir, filepath.Base(dir))) {
				got = append(got, filepath.Base(name))
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.reason, diff)
		}
	}
}

// An environment stays as long as a job that has not ended works with it, however old it is.
func TestEnvironmentsInUse(t *testing.T) {
	t.Parallel()
	s := &server{root: t.TempDir()}
	job := func(name, digest string, ended bool) {
		dir := filepath.Join(s.root, jobsDir, name)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		sp := spec{}
		sp.Job.Prefix = envbuild.Prefix(s.root, digest)
		if err := writeJSON(filepath.Join(dir, specFile), sp); err != nil {
			t.Fatal(err)
		}
		if ended {
			if err := writeJSON(filepath.Join(dir, exitFile), struct{}{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	job("z-1", "running", false)
	job("z-2", "over", true)
	used := s.inUse()
	if !used("running") || used("over") || used("unknown") {
		t.Errorf("in use: running %t, over %t, unknown %t", used("running"), used("over"), used("unknown"))
	}
}
