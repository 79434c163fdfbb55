// Command client asks a workspace what the kind of target asks, by the official Go client, and prints what it was
// told. The workspace stands in DATABRICKS_HOST and DATABRICKS_TOKEN.
package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"strings"
	"time"

	"github.com/databricks/databricks-sdk-go"
	"github.com/databricks/databricks-sdk-go/apierr"
	"github.com/databricks/databricks-sdk-go/service/compute"
	"github.com/databricks/databricks-sdk-go/service/files"
	"github.com/databricks/databricks-sdk-go/service/jobs"
	"github.com/databricks/databricks-sdk-go/service/workspace"
	"github.com/databricks/databricks-sdk-go/version"
)

const cluster = "0101-000000-running"

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	w, err := databricks.NewWorkspaceClient()
	check(err)
	me, err := w.CurrentUser.Me(ctx)
	check(err)
	org, err := w.CurrentWorkspaceID(ctx)
	check(err)
	fmt.Println("client", version.Version, "user", me.UserName, "workspace", org)
	dbfs(ctx, w)
	volumes(ctx, w)
	runs(ctx, w)
	refused(ctx, w)
	clusters(ctx, w)
	notebooks(ctx, w)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// dbfs writes in one call and in blocks, and reads at an offset.
func dbfs(ctx context.Context, w *databricks.WorkspaceClient) {
	check(w.Dbfs.Put(ctx, files.Put{Path: "/go/train.py", Overwrite: true, Contents: b64("import sys, time\nprint('go', sys.argv[1:], flush=True)\ntime.sleep(float(sys.argv[2]))\nsys.exit(int(sys.argv[1]))\n")}))
	h, err := w.Dbfs.Create(ctx, files.Create{Path: "/go/long", Overwrite: true})
	check(err)
	for _, s := range []string{"first ", "second"} {
		check(w.Dbfs.AddBlock(ctx, files.AddBlock{Handle: h.Handle, Data: b64(s)}))
	}
	check(w.Dbfs.Close(ctx, files.Close{Handle: h.Handle}))
	got, err := w.Dbfs.Read(ctx, files.ReadDbfsRequest{Path: "/go/long", Offset: 6, Length: 100})
	check(err)
	behind, err := w.Dbfs.Read(ctx, files.ReadDbfsRequest{Path: "/go/long", Offset: 600, Length: 100})
	check(err)
	list, err := w.Dbfs.ListAll(ctx, files.ListDbfsRequest{Path: "/go"})
	check(err)
	at, err := w.Dbfs.GetStatusByPath(ctx, "/go/long")
	check(err)
	text, err := base64.StdEncoding.DecodeString(got.Data)
	check(err)
	fmt.Println("dbfs", string(text), got.BytesRead, behind.BytesRead, len(list), at.FileSize)
	check(w.Dbfs.Delete(ctx, files.Delete{Path: "/go/long", Recursive: true}))
	_, err = w.Dbfs.GetStatusByPath(ctx, "/go/long")
	fmt.Println("dbfs gone", errors.Is(err, apierr.ErrNotFound))
}

func volumes(ctx context.Context, w *databricks.WorkspaceClient) {
	const dir = "/Volumes/main/default/zaffre/go é"
	err := w.Files.Upload(ctx, files.UploadRequest{FilePath: dir + "/x", Contents: io.NopCloser(strings.NewReader("0")), Overwrite: true})
	fmt.Println("volume without folder", errors.Is(err, apierr.ErrNotFound))
	check(w.Files.CreateDirectory(ctx, files.CreateDirectoryRequest{DirectoryPath: dir}))
	for i := range 7 {
		check(w.Files.Upload(ctx, files.UploadRequest{FilePath: fmt.Sprintf("%s/%d", dir, i), Contents: io.NopCloser(strings.NewReader("text")), Overwrite: true}))
	}
	r, err := w.Files.DownloadByFilePath(ctx, dir+"/3")
	check(err)
	b, err := io.ReadAll(r.Contents)
	check(err)
	list, err := w.Files.ListDirectoryContentsAll(ctx, files.ListDirectoryContentsRequest{DirectoryPath: dir})
	check(err)
	fmt.Println("volume", string(b), len(list), list[6].Name, list[6].FileSize)
	fmt.Println("volume full", w.Files.DeleteDirectoryByDirectoryPath(ctx, dir) != nil)
	for _, f := range list {
		check(w.Files.DeleteByFilePath(ctx, f.Path))
	}
	check(w.Files.DeleteDirectoryByDirectoryPath(ctx, dir))
}

func submit(ctx context.Context, w *databricks.WorkspaceClient, token string, task jobs.SubmitTask) (*jobs.WaitGetRunJobTerminatedOrSkipped[jobs.SubmitRunResponse], error) {
	task.TaskKey = "main"
	return w.Jobs.Submit(ctx, jobs.SubmitRun{RunName: "go " + token, IdempotencyToken: token, Tasks: []jobs.SubmitTask{task}})
}

func train(words ...string) jobs.SubmitTask {
	return jobs.SubmitTask{ExistingClusterId: cluster, SparkPythonTask: &jobs.SparkPythonTask{PythonFile: "dbfs:/go/train.py", Parameters: words}}
}

// runs submits what ends well, badly, and never by itself.
func runs(ctx context.Context, w *databricks.WorkspaceClient) {
	good, err := submit(ctx, w, "go-good", train("0", "0"))
	check(err)
	again, err := submit(ctx, w, "go-good", train("0", "0"))
	check(err)
	bad, err := submit(ctx, w, "go-bad", train("3", "0"))
	check(err)
	long, err := submit(ctx, w, "go-long", train("0", "60"))
	check(err)
	for _, x := range []struct {
		name string
		id   int64
	}{{"good", good.RunId}, {"bad", bad.RunId}, {"long", long.RunId}} {
		if x.name == "long" {
			fmt.Println("active", active(ctx, w), "delete", w.Jobs.DeleteRunByRunId(ctx, x.id))
			_, err := w.Jobs.CancelRun(ctx, jobs.CancelRun{RunId: x.id})
			check(err)
		}
		r := ended(ctx, w, x.id)
		out, err := w.Jobs.GetRunOutputByRunId(ctx, r.Tasks[0].RunId)
		check(err)
		fmt.Printf("run %s %s %s %s %q %q\n", x.name, r.State.LifeCycleState, r.State.ResultState, r.Status.TerminationDetails.Code, out.Logs, out.Error)
	}
	_, err = w.Jobs.GetRunOutputByRunId(ctx, good.RunId)
	fmt.Println("same", good.RunId == again.RunId, "output of the whole", err != nil)
	check(w.Jobs.DeleteRunByRunId(ctx, good.RunId))
	_, err = w.Jobs.GetRun(ctx, jobs.GetRunRequest{RunId: good.RunId})
	_, again2 := submit(ctx, w, "go-good", train("0", "0"))
	fmt.Println("deleted", errors.Is(err, apierr.ErrNotFound), "again", again2)
}

func active(ctx context.Context, w *databricks.WorkspaceClient) int {
	list, err := w.Jobs.ListRunsAll(ctx, jobs.ListRunsRequest{ActiveOnly: true, RunType: jobs.RunTypeSubmitRun})
	check(err)
	return len(list)
}

func ended(ctx context.Context, w *databricks.WorkspaceClient, id int64) *jobs.Run {
	for {
		r, err := w.Jobs.GetRun(ctx, jobs.GetRunRequest{RunId: id})
		check(err)
		if s := r.State.LifeCycleState; s == jobs.RunLifeCycleStateTerminated || s == jobs.RunLifeCycleStateInternalError {
			return r
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// refused asks for what the Jobs API refuses.
func refused(ctx context.Context, w *databricks.WorkspaceClient) {
	none := train("0", "0")
	none.ExistingClusterId = "0101-000000-none"
	_, err := submit(ctx, w, "go-none", none)
	fmt.Println("cluster", err)
	_, err = submit(ctx, w, strings.Repeat("x", 65), train("0", "0"))
	fmt.Println("token", err)
	_, err = submit(ctx, w, "go-both", jobs.SubmitTask{NewCluster: &compute.ClusterSpec{SparkVersion: "15.4.x-scala2.12"}, SparkPythonTask: none.SparkPythonTask})
	fmt.Println("new cluster", err)
}

func clusters(ctx context.Context, w *databricks.WorkspaceClient) {
	for _, state := range []compute.State{compute.StateTerminated, compute.StateRunning} {
		if state == compute.StateRunning {
			_, err := w.Clusters.Start(ctx, compute.StartCluster{ClusterId: cluster})
			check(err)
		} else {
			_, err := w.Clusters.Delete(ctx, compute.DeleteCluster{ClusterId: cluster})
			check(err)
		}
		for c := (&compute.ClusterDetails{}); c.State != state; time.Sleep(20 * time.Millisecond) {
			var err error
			c, err = w.Clusters.GetByClusterId(ctx, cluster)
			check(err)
		}
		fmt.Println("cluster", state)
	}
}

func notebooks(ctx context.Context, w *databricks.WorkspaceClient) {
	const path = "/Users/ada/go"
	check(w.Workspace.Import(ctx, workspace.Import{
		Path: path, Format: workspace.ImportFormatSource, Language: workspace.LanguagePython, Overwrite: true,
		Content: b64("dbutils.notebook.exit(dbutils.widgets.get('a') + '!')\n"),
	}))
	at, err := w.Workspace.GetStatusByPath(ctx, path)
	check(err)
	x, err := submit(ctx, w, "go-notebook", jobs.SubmitTask{ExistingClusterId: cluster, NotebookTask: &jobs.NotebookTask{NotebookPath: path, BaseParameters: map[string]string{"a": "b"}}})
	check(err)
	out, err := w.Jobs.GetRunOutputByRunId(ctx, ended(ctx, w, x.RunId).Tasks[0].RunId)
	check(err)
	fmt.Println("notebook", at.ObjectType, out.NotebookOutput.Result)
	check(w.Workspace.Delete(ctx, workspace.Delete{Path: path}))
}
