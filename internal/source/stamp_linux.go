package source

import "syscall"

func ctimeOf(t *syscall.Stat_t) int64 { return t.Ctim.Nano() }
