package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// faultOf says what an error of a database means. Faults and ended contexts stay what they are.
func faultOf(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return sqliteFault(e, err)
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return postgresFault(e, err)
	}
	_, network := errors.AsType[net.Error](err)
	_, connect := errors.AsType[*pgconn.ConnectError](err)
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return diskFull(err)
	case network, connect, errors.Is(err, driver.ErrBadConn), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, sql.ErrConnDone):
		return unreachable(err)
	}
	return failed(err)
}

func sqliteFault(e *sqlite.Error, err error) error {
	switch code := e.Code(); code & 0xff {
	case sqlite3.SQLITE_FULL:
		return diskFull(err)
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return &fault.Error{
			Code: fault.Unavailable, Reason: "DatabaseBusy", What: "the database did not answer",
			Why: "another program holds a lock on its file", Fix: "end the program that has the file open, and try again", Err: unanswered(err),
		}
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return &fault.Error{
			Code: fault.Internal, Reason: "DatabaseCorrupt", What: "the database cannot be read",
			Why: "its file is damaged", Fix: "stop the server and put a backup back; run: zaffre restore", Err: err,
		}
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM:
		return notWritable(err)
	case sqlite3.SQLITE_IOERR:
		return &fault.Error{
			Code: fault.Unavailable, Reason: "DiskFailed", What: "the database cannot use its disk",
			Why: "the operating system reports an input or output error", Fix: "look at the disk and the kernel's log", Err: unanswered(err),
		}
	}
	return failed(err)
}

// postgresFault goes by the class of the error code.
// Source: PostgreSQL documentation, appendix A, "PostgreSQL Error Codes".
func postgresFault(e *pgconn.PgError, err error) error {
	switch {
	case e.Code == "53100":
		return diskFull(err)
	case strings.HasPrefix(e.Code, "22"):
		return &fault.Error{
			Code: fault.Invalid, Reason: "TextInvalid", What: "the database refused a value",
			Why: "it is not text in UTF-8, or out of range", Fix: "use text without NUL bytes, in UTF-8", Err: err,
		}
	case retried(err), strings.HasPrefix(e.Code, "08"), strings.HasPrefix(e.Code, "53"), strings.HasPrefix(e.Code, "57P"):
		return unreachable(err)
	case strings.HasPrefix(e.Code, "28"), e.Code == "3D000", e.Code == "42501":
		return &fault.Error{
			Code: fault.Denied, Reason: "DatabaseDenied", What: "the database refused the server",
			Why: "its user, password, database or rights are wrong", Fix: "check the database URL", Evidence: []string{e.Message}, Err: err,
		}
	}
	return failed(err)
}

// retried reports whether PostgreSQL gave up a transaction that may succeed when it is run again.
func retried(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code == "40001" || e.Code == "40P01")
}

func diskFull(err error) error {
	return &fault.Error{
		Code: fault.Exhausted, Reason: "DiskFull", What: "the database cannot be written",
		Why: "its disk is full", Fix: "free space on the disk of the data directory; waiting work goes on by itself", Err: err,
	}
}

func notWritable(err error) error {
	return &fault.Error{
		Code: fault.Precondition, Reason: "DatabaseNotWritable", What: "the database cannot be written",
		Why: "its file or folder cannot be opened for writing", Fix: "let the server's user own the data directory", Err: err,
	}
}

func unreachable(err error) error {
	return &fault.Error{
		Code: fault.Unavailable, Reason: "DatabaseUnreachable", What: "the database did not answer",
		Why: "the connection to it was lost or refused", Fix: "see that the database is up", Err: unanswered(err),
	}
}

func unanswered(err error) error { return fmt.Errorf("%w: %w", store.ErrUnanswered, err) }

func failed(err error) error {
	return &fault.Error{
		Code: fault.Internal, Reason: "DatabaseFailed", What: "the database refused a statement",
		Why: "of an error inside zaffre or the database", Fix: "look into the server's log, and report it", Err: err,
	}
}

func closed() error {
	return &fault.Error{
		Code: fault.Unavailable, Reason: "DatabaseClosed", What: "the database is closed",
		Why: "the server stops", Fix: "try again when the server is up", Err: store.ErrUnanswered,
	}
}

func leaseLost(l store.Lease) error {
	return &fault.Error{
		Code: fault.Conflict, Reason: "LeaseLost", What: fmt.Sprintf("the lease on %s %s is lost", l.Kind, l.ID),
		Why: "it ran out and another has it, or it was settled", Fix: "claim the record again",
	}
}
