package source

import "time"

// tick is longer than the steps in which kernels set the times of files: 1 to 10 ms.
const tick = 20 * time.Millisecond

// coarse is for file systems that keep whole seconds (FAT: two).
const coarse = 2 * time.Second

// stamp tells whether a file is as it was. Whoever changes a file's bytes changes its ctime, which
// programs cannot set; but two changes within one step of the clock leave one stamp. So a stamp is
// only trusted if the file's bytes were read after that step was over: git calls the others
// racily clean.
type stamp struct {
	size, mtime, ctime int64 // bytes, nanoseconds
	device, inode      uint64
}

// settledBy reports whether a change after the time at would show in the stamp.
func (s stamp) settledBy(at time.Time) bool {
	step := tick
	if s.ctime%int64(time.Second) == 0 {
		step = coarse
	}
	return at.UnixNano() > s.ctime+int64(step)
}
