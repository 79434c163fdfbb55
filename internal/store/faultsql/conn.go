package faultsql

import (
	"context"
	"database/sql/driver"
)

// innerConn is what the drivers of both databases implement.
type innerConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
}

type conn struct {
	innerConn
	d *Driver
}

// Unwrap returns the driver's own connection.
func (c *conn) Unwrap() driver.Conn { return c.innerConn }

func (c *conn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (r driver.Result, err error) {
	err = c.d.do(func() (err error) {
		r, err = c.innerConn.ExecContext(ctx, text, args)
		return err
	})
	return r, err
}

func (c *conn) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	return rows(c.d, func() (driver.Rows, error) { return c.innerConn.QueryContext(ctx, text, args) })
}

func (c *conn) PrepareContext(ctx context.Context, text string) (driver.Stmt, error) {
	if c.d.dead.Load() {
		return nil, ErrDied
	}
	s, err := c.innerConn.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	return &stmt{s.(innerStmt), c.d}, nil
}

func (c *conn) BeginTx(ctx context.Context, opt driver.TxOptions) (driver.Tx, error) {
	var inner driver.Tx
	err := c.d.do(func() (err error) {
		inner, err = c.innerConn.BeginTx(ctx, opt)
		return err
	})
	if err != nil {
		if inner != nil {
			_ = inner.Rollback() // its answer was lost, and nobody else would
		}
		return nil, err
	}
	return &tx{inner, c.d}, nil
}

// Ping, ResetSession and CheckNamedValue are no statements.

func (c *conn) Ping(ctx context.Context) error {
	if c.d.dead.Load() {
		return ErrDied
	}
	return c.innerConn.Ping(ctx)
}

// IsValid reports whether the connection may go back to its pool.
func (c *conn) IsValid() bool {
	v, ok := c.innerConn.(driver.Validator)
	return !c.d.dead.Load() && (!ok || v.IsValid())
}

// CheckNamedValue asks the driver, if it wants to be asked.
func (c *conn) CheckNamedValue(v *driver.NamedValue) error {
	if checker, ok := c.innerConn.(driver.NamedValueChecker); ok {
		return checker.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

type innerStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

type stmt struct {
	innerStmt
	d *Driver
}

func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (r driver.Result, err error) {
	err = s.d.do(func() (err error) {
		r, err = s.innerStmt.ExecContext(ctx, args)
		return err
	})
	return r, err
}

func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return rows(s.d, func() (driver.Rows, error) { return s.innerStmt.QueryContext(ctx, args) })
}

// rows runs a query. Rows whose answer is lost are closed: a query that changes something, such as
// an UPDATE with RETURNING, has then happened.
func rows(d *Driver, query func() (driver.Rows, error)) (driver.Rows, error) {
	var r driver.Rows
	err := d.do(func() (err error) {
		r, err = query()
		return err
	})
	if err != nil && r != nil {
		r.Close()
		r = nil
	}
	return r, err
}

type tx struct {
	driver.Tx
	d *Driver
}

// Commit of a transaction that fails before it happens undoes it: its connection goes back to the pool.
func (t *tx) Commit() error {
	happened := false
	err := t.d.do(func() error {
		happened = true
		return t.Tx.Commit()
	})
	if !happened {
		_ = t.Tx.Rollback()
	}
	return err
}

// Rollback always reaches the database, also of a Driver that died: that is what becomes of a transaction whose
// connection is gone.
func (t *tx) Rollback() error {
	happened := false
	err := t.d.do(func() error {
		happened = true
		return t.Tx.Rollback()
	})
	if happened {
		return err
	}
	return t.Tx.Rollback()
}
