package kubernetes_test

import (
	"strings"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/drivertest"
	"github.com/zaffre-ml/zaffre/internal/driver/kubernetes"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// restricted returns a target in a namespace whose pod security is so.
func restricted(t *testing.T) driver.Target {
	t.Helper()
	_, target, namespace := fresh(t)
	kubectl(t, "", "label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
	return target
}

// told is a program that says who it is, what it may do, and where it can write.
const told = `
import getpass, os, pathlib
print(os.getuid(), os.getgid(), getpass.getuser())
print([line.split()[1] for line in open("/proc/self/status") if line.startswith("Cap")])
for place in (pathlib.Path.home(), pathlib.Path("outputs"), pathlib.Path("."), pathlib.Path("/dev/shm"), pathlib.Path("/tmp")):
    (place / "written").write_text("x")
print("written")
`

// TestRestricted: with a user of its own a run is let in where pod security is restricted, and can write where runs do.
func TestRestricted(t *testing.T) {
	t.Parallel()
	u := using{t, connect(t, with(restricted(t), "runAsUser", int64(10001)))}
	j := drivertest.NewJob("python", "-c", told)
	h := u.start(j)
	st := u.end(j, h)
	none := "'0000000000000000'"
	want := "10001 10001 zaffre\n[" + strings.Join([]string{none, none, none, none, none}, ", ") + "]\nwritten\n"
	if got := u.log(h); st.State != driver.JobDone || got != want {
		t.Errorf("the job is %+v and says %q, want %q", st, got, want)
	}
}

// TestRestrictedEnvironment: uv builds there too.
func TestRestrictedEnvironment(t *testing.T) {
	t.Parallel()
	target := with(restricted(t), "runAsUser", int64(10001))
	target.Tools = tools(t)
	u := using{t, connect(t, target)}
	digest := digestOf(t)
	u.build(digest, uv)
	st := u.built(digest)
	if st.State != driver.BuildDone || st.Way != "uv" {
		t.Fatalf("the build is %+v", st)
	}
	j := drivertest.NewJob("python", "-c", "import six; print('six', six.__version__)")
	j.Runtime = st.Runtime
	h := u.start(j)
	if end := u.end(j, h); end.State != driver.JobDone || u.log(h) != "six 1.16.0\n" {
		t.Errorf("the job is %+v and says %q", end, u.log(h))
	}
}

// TestRestrictedRefuses: what the cluster does not let in says by which option it would.
func TestRestrictedRefuses(t *testing.T) {
	t.Parallel()
	target := restricted(t)
	for option, says := range map[string]string{"": "zaffre compute update NAME --run-as-user 10001", "cache": "zaffre compute update NAME --cache pvc:CLAIM"} {
		one := target
		if option != "" {
			one = with(with(target, "runAsUser", int64(10001)), option, "/var/tmp/zaffre-test-none")
		}
		u := using{t, connect(t, one)}
		j := drivertest.NewJob("true")
		h := u.start(j)
		u.says(j, h, `violates PodSecurity "restricted:latest"`)
		u.says(j, h, says)
	}
	if _, err := kubernetes.Kind().Connect(t.Context(), with(target, "runAsUser", int64(0))); fault.ReasonOf(err) != "OptionInvalid" {
		t.Errorf("as root: %v", err)
	}
}
