// Package faultsql is an SQL driver that dies or fails on purpose, for tests of what a crash leaves.
//
// A Driver stands between a store and the driver of its database:
//
//	d := &faultsql.Driver{}
//	db, err := sqlstore.OpenWith(ctx, "sqlite:"+path, log, sqlstore.Options{Wrap: d.Wrap, NoSync: true})
//	d.DieIn(17, false)
//	…                // works until the 17th statement from now, and then nothing does
//	db.Close()       // frees the file; nothing that was not committed reaches it
//	db, err = sqlstore.Open(ctx, "sqlite:"+path, log)
package faultsql

import (
	"context"
	"database/sql/driver"
	"math/rand/v2"
	"sync"
	"sync/atomic"
)

// Error is what statements fail with. It is a net.Error, so that stores take it for a database that
// did not answer, and callers try again.
type Error struct{ text string }

func (e *Error) Error() string { return e.text }

// Timeout reports false.
func (e *Error) Timeout() bool { return false }

// Temporary reports true.
func (e *Error) Temporary() bool { return true }

// The errors of statements that did not reach the database, or whose answer was lost.
var (
	ErrDied   = &Error{"the connection to the database died"}
	ErrFailed = &Error{"the statement failed"}
)

// Driver counts the statements of all connections that go through it: each Exec, Query, Begin,
// Commit and Rollback. The zero Driver lets all of them pass. It may be used by many goroutines.
type Driver struct {
	count  atomic.Int64
	failed atomic.Int64
	dead   atomic.Bool

	mu    sync.Mutex
	at    int64 // the statement that dies; 0: none
	after bool
	p     float64
	rng   *rand.Rand
}

// Statements returns how many statements there were.
func (d *Driver) Statements() int64 { return d.count.Load() }

// Failed returns how many of them failed by Fail.
func (d *Driver) Failed() int64 { return d.failed.Load() }

// Dead reports whether the Driver has died.
func (d *Driver) Dead() bool { return d.dead.Load() }

// DieIn has the nth statement from now die, counted from 1, and all after it. If answered is true
// the statement itself still happens, and only its answer is lost: a commit then counts.
func (d *Driver) DieIn(n int64, answered bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at, d.after = d.count.Load()+n, answered
}

// Fail has each statement fail with probability p: of those that do, half before they happen, and half with their
// answer lost, after it. The Driver lives on; 0 ends that. Equal seeds give equal choices for equal sequences of
// statements.
func (d *Driver) Fail(p float64, seed uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.p, d.rng = p, rand.New(rand.NewPCG(seed, seed))
}

// do runs one statement, or not.
func (d *Driver) do(statement func() error) error {
	f := d.fate(d.count.Add(1))
	if d.dead.Load() {
		return ErrDied
	}
	if f.err == nil {
		return statement()
	}
	if f.err == ErrDied {
		d.dead.Store(true)
	}
	if f.answered {
		_ = statement()
	}
	return f.err
}

// fate is what becomes of a statement.
type fate struct {
	err      *Error // nil: it happens
	answered bool   // it happens, and only its answer is lost
}

func (d *Driver) fate(n int64) fate {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case n == d.at:
		return fate{ErrDied, d.after}
	case d.p == 0:
		return fate{}
	}
	if v := d.rng.Float64(); v < d.p {
		d.failed.Add(1)
		return fate{ErrFailed, v < d.p/2}
	}
	return fate{}
}

// Wrap returns a connector whose connections go through d.
func (d *Driver) Wrap(c driver.Connector) driver.Connector { return connector{c, d} }

type connector struct {
	driver.Connector
	d *Driver
}

// Connect opens a connection, unless the Driver has died.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	if c.d.dead.Load() {
		return nil, ErrDied
	}
	inner, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &conn{inner.(innerConn), c.d}, nil
}
