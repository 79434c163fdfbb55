package kubernetes_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/drivertest"
)

// volume is a claim, and a folder of the node that is bound to it.
const volume = `
apiVersion: v1
kind: PersistentVolume
metadata: {name: %[1]s}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteMany]
  storageClassName: ""
  persistentVolumeReclaimPolicy: Retain
  hostPath: {path: %[3]q, type: Directory}
  claimRef: {namespace: %[2]s, name: packages}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: packages, namespace: %[2]s}
spec: {accessModes: [ReadWriteMany], storageClassName: "", volumeName: %[1]s, resources: {requests: {storage: 1Gi}}}
`

// TestClaim: a claim keeps the packages of environments. What one pod fetched, the next ones have.
func TestClaim(t *testing.T) {
	t.Parallel()
	_, target, namespace := fresh(t)
	target.Tools = tools(t)
	folder, err := os.MkdirTemp("/var/tmp", "zaffre-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	kubectl(t, fmt.Sprintf(volume, namespace, namespace, folder), "apply", "-f", "-")
	t.Cleanup(func() { kubectl(t, "", "delete", "--wait=false", "persistentvolume/"+namespace) })
	u := using{t, connect(t, with(target, "cache", "pvc:packages"))}
	digest := digestOf(t)
	u.build(digest, uv)
	st := u.built(digest)
	if st.State != driver.BuildDone {
		t.Fatalf("the build is %+v", st)
	}
	before := unpacked(t, folder)
	if len(before) == 0 {
		t.Fatal("the claim has no packages")
	}
	for range 2 {
		j := drivertest.NewJob("python", "-c", "import six; print(six.__version__)")
		j.Runtime = st.Runtime
		h := u.start(j)
		if end := u.end(j, h); end.State != driver.JobDone || u.log(h) != "1.16.0\n" {
			t.Fatalf("the job is %+v and says %q", end, u.log(h))
		}
	}
	if after := unpacked(t, folder); !slices.Equal(before, after) {
		t.Errorf("the packages were %v, and then %v: they were fetched again", before, after)
	}
}

// unpacked are the packages that uv has unpacked in a cache. It gives each a name of chance.
func unpacked(t *testing.T, folder string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(folder, "uv", "archive-v*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestClaimMissing: a run that waits for a claim says for which, and where to look.
func TestClaimMissing(t *testing.T) {
	t.Parallel()
	_, target, namespace := fresh(t)
	kubectl(t, `{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: pending}, spec: {accessModes: [ReadWriteMany], storageClassName: "", resources: {requests: {storage: 1Gi}}}}`, "-n", namespace, "apply", "-f", "-")
	for claim, words := range map[string]string{"nobodys": `persistentvolumeclaim "nobodys" not found`, "pending": "unbound immediate PersistentVolumeClaims"} {
		u := using{t, connect(t, with(target, "cache", "pvc:"+claim))}
		j := drivertest.NewJob("true")
		h := u.start(j)
		u.says(j, h, words)
		u.says(j, h, "kubectl -n "+namespace+" describe pvc "+claim)
	}
}
