package pysession

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
)

//go:embed session.py
var program string

const programName = "zaffre-session.py"

// job is the session's, without what the record says of it.
func (s *Sessions) job(ctx context.Context, q driver.Session) (driver.Job, error) {
	idle, ok := q.Options[OptIdle].(time.Duration)
	if !ok {
		idle = idleDefault
	}
	if idle <= 0 {
		return driver.Job{}, optionFault(OptIdle, "it is not above zero", "give for example 30m")
	}
	j := driver.Job{Attempt: 1, Grace: grace, Options: q.Options, Files: files{}, ID: "spark-session-" + q.Name}
	j.Command = []string{"python", programName, folderWord, q.Language, strconv.FormatFloat(idle.Seconds(), 'f', -1, 64), q.Name}
	return s.Prepare(ctx, j)
}

// folderWord stands in the command for the folder of the session, seen from the code of its job.
const folderWord = "{folder}"

// named returns the job as the record's.
func (r record) named(j driver.Job) driver.Job {
	j.ID, j.Command = r.Job, slices.Clone(j.Command)
	if i := slices.Index(j.Command, folderWord); i >= 0 {
		j.Command[i] = "../../../sessions/" + r.Job
	}
	return j
}

// files is the code of a session: our program.
type files struct{}

func (files) Manifest(context.Context) ([]driver.File, error) {
	sum := sha256.Sum256([]byte(program))
	return []driver.File{{Path: programName, Mode: 0o644, Size: int64(len(program)), Hash: hex.EncodeToString(sum[:])}}, nil
}

func (files) OpenHash(context.Context, string) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(program)), nil
}
