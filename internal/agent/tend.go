package agent

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/zaffre-ml/zaffre/internal/agent/envbuild"
)

// How long things that nobody asks for are kept, and which part of the disk they may have: more than that, and
// those that were not asked for the longest go first. What was asked for within a day stays.
const (
	tendEvery = 6 * time.Hour
	cacheKeep = 14 * 24 * time.Hour
	envsKeep  = 30 * 24 * time.Hour
	fenceKeep = 60 * 24 * time.Hour
	filesPart = 20
	envsPart  = 4
)

// tend keeps what lies on the machine within its bounds, as long as the agent lives.
func (s *server) tend() {
	for {
		s.expire(runsDir, fenceKeep)
		disk := diskSize(s.root)
		s.pruneFiles(disk / filesPart)
		_, _ = envbuild.Prune(s.root, s.inUse(), envsKeep, disk/envsPart)
		time.Sleep(tendEvery)
	}
}

// diskSize returns the size of the disk that a folder lies on; 0 if nobody knows.
func diskSize(dir string) int64 {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return 0
	}
	return int64(st.Blocks) * st.Bsize
}

// pruneFiles removes files of code that nobody asked for in a while, those that are more than the cache may hold, and
// those that came only in part.
func (s *server) pruneFiles(most int64) {
	type file struct {
		name  string
		asked time.Time
		size  int64
	}
	var list []file
	var total int64
	for _, dir := range s.folders(filesDir) {
		for _, name := range s.folders(filepath.Join(filesDir, filepath.Base(dir))) {
			if fi, err := os.Stat(name); err == nil {
				list = append(list, file{name, fi.ModTime(), fi.Size()})
				total += fi.Size()
			}
		}
	}
	slices.SortFunc(list, func(a, b file) int { return cmp.Or(a.asked.Compare(b.asked), cmp.Compare(a.name, b.name)) })
	for _, f := range list {
		unasked := time.Since(f.asked)
		spare := most > 0 && total > most || filepath.Base(filepath.Dir(f.name)) == partsDir
		if unasked > cacheKeep || spare && unasked > cacheFresh {
			_ = os.Remove(f.name)
			total -= f.size
		}
	}
}

// inUse returns which environments jobs or builds work with, or were asked for within a day.
func (s *server) inUse() func(digest string) bool {
	used := map[string]bool{}
	for _, dir := range s.folders(jobsDir) {
		var sp spec
		if ok, _ := readJSON(filepath.Join(dir, specFile), &sp); ok && sp.Job.Prefix != "" && !exists(filepath.Join(dir, exitFile)) {
			used[filepath.Base(filepath.Dir(sp.Job.Prefix))] = true
		}
	}
	return func(digest string) bool {
		return used[digest] || time.Since(envbuild.Used(s.root, digest)) < cacheFresh
	}
}
