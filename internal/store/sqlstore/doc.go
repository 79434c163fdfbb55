// Package sqlstore keeps the control plane's records in SQLite or PostgreSQL.
//
// There is one SQL text for both. Each type of record has a table with its key, the record as JSON,
// and the columns that its lists filter and sort by (records.go, run.go); one generic type (repo.go)
// does the work for all. A write is a function that runs inside a transaction: on SQLite the
// transactions of several callers are committed together by one goroutine (writer.go), on PostgreSQL
// each has its own (postgres.go).
package sqlstore
