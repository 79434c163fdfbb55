package agent

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
)

// Among the outputs of a job those of a task stand in folders of its name, and its log beside them:
// outputs/task-3/model.pkl, logs/task-3/events and logs/task-3.log.

// taskPrefix is before the index in the name of a task.
const taskPrefix = "task-"

// logOf names the log of a task among the outputs.
func logOf(index int) string { return "logs/" + taskPrefix + strconv.Itoa(index) + ".log" }

// wrote reports whether a task has a log that says something.
func (a *array) wrote(index int) bool {
	fi, err := os.Stat(filepath.Join(a.taskDir(index), logFile))
	return err == nil && fi.Size() > 0
}

// outputsOfTask lists what a task left, by the names that it has among those of the job.
func outputsOfTask(dir string) ([]wire.File, error) {
	list, err := outputsIn(filepath.Join(dir, codeDir))
	if err != nil {
		return nil, err
	}
	task := taskPrefix + filepath.Base(dir)
	for i := range list {
		top, rest, _ := strings.Cut(list[i].Path, "/")
		list[i].Path = top + "/" + task + "/" + rest
	}
	if fi, err := os.Stat(filepath.Join(dir, logFile)); err == nil {
		list = append(list, wire.File{Path: "logs/" + task + ".log", Mode: uint32(fi.Mode().Perm()), Size: fi.Size()})
	}
	return list, nil
}

// placeOf returns the folder in which an output of a job lies, and its name there.
func placeOf(dir, name string) (folder, inside string) {
	if !exists(filepath.Join(dir, tasksDir)) {
		return filepath.Join(dir, codeDir), name
	}
	top, below, _ := strings.Cut(name, "/")
	task, rest, deeper := strings.Cut(below, "/")
	whole := true
	if !deeper {
		task, whole = strings.CutSuffix(task, ".log")
	}
	n, err := strconv.Atoi(strings.TrimPrefix(task, taskPrefix))
	if err != nil || taskPrefix+strconv.Itoa(n) != task || !whole || !deeper && top != "logs" {
		return filepath.Join(dir, codeDir), name // where nothing is
	}
	folder = filepath.Join(dir, tasksDir, strconv.Itoa(n))
	if !deeper {
		return folder, logFile
	}
	return filepath.Join(folder, codeDir), top + "/" + rest
}
