package kubernetes

import (
	_ "embed"
	"strconv"

	"github.com/zaffre-ml/zaffre/internal/driver"
)

//go:embed keep.sh
var keepScript string

// What is in a pod of ours.
const (
	containerName = "run"
	workDir       = "/zaffre"
	cacheDir      = "/zaffre-cache"
)

// Labels and annotations of what we make. The prefix is no domain that anybody else could have.
const (
	labelManager          = "app.kubernetes.io/managed-by"
	labelTarget           = "zaffre/target"
	labelPlace            = "zaffre/place" // see driver.Target
	labelRun              = "zaffre/run"
	labelAttempt          = "zaffre/attempt"
	labelJob              = "zaffre/job"
	labelBuild            = "zaffre/environment"
	labelProbe            = "zaffre/probe"
	annotationEnvironment = "zaffre/environment" // its digest: it is built in the pod
	annotationEnd         = "zaffre/end"         // how a job ended that was never given to its agent
)

// podPlan is what all pods of a target have in common.
type podPlan struct {
	target, place, account string
	user                   int64          // 0: the image's
	cache                  map[string]any // a volume; nil: none
}

// labels are those of all that the target makes.
func (p podPlan) labels(more map[string]string) map[string]any {
	out := map[string]any{labelManager: manager, labelTarget: p.target}
	if p.place != "" {
		out[labelPlace] = p.place
	}
	for k, v := range more {
		out[k] = v
	}
	return out
}

// selector selects all that the target made.
func (p podPlan) selector() string {
	return labelManager + "=" + manager + "," + labelTarget + "=" + p.target
}

// job returns the Job that holds a pod. Its pod is not made anew: what a run loses is told to the server, which
// decides.
func (p podPlan) job(name string, w wants, labels map[string]string, owner *object) *object {
	all := p.labels(labels)
	return &object{Object: map[string]any{
		"apiVersion": "batch/v1", "kind": "Job",
		"metadata": map[string]any{"name": name, "labels": all, "ownerReferences": ownedBy(owner)},
		"spec": map[string]any{
			"backoffLimit": int64(0), "completions": int64(1), "parallelism": int64(1), "podReplacementPolicy": "Failed",
			"template": map[string]any{
				"metadata": map[string]any{"labels": all, "annotations": map[string]any{"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}},
				"spec":     p.spec(w),
			},
		},
	}}
}

// ownedBy is what an object says of its owner; nil: it has none.
func ownedBy(owner *object) []any {
	if owner == nil {
		return nil
	}
	return []any{map[string]any{
		"apiVersion": owner.GetAPIVersion(), "kind": owner.GetKind(), "name": owner.GetName(), "uid": string(owner.GetUID()),
	}}
}

// spec is the pod's. It gets no token of the API: runs are other people's code.
func (p podPlan) spec(w wants) map[string]any {
	volumes, mounts := p.volumes(w)
	secured, _ := p.secured()
	s := map[string]any{
		"restartPolicy": "Never", "automountServiceAccountToken": false, "enableServiceLinks": false, "terminationGracePeriodSeconds": int64(10),
		"securityContext": secured,
		"volumes":         volumes, "containers": []any{p.container(w, mounts)},
	}
	for key, v := range map[string]string{"serviceAccountName": p.account, "priorityClassName": w.priority} {
		if v != "" {
			s[key] = v
		}
	}
	if len(w.selector) > 0 {
		s["nodeSelector"] = anyMap(w.selector)
	}
	if len(w.tolerations) > 0 {
		s["tolerations"] = anyList(w.tolerations)
	}
	var secrets []any
	for _, name := range w.secrets {
		secrets = append(secrets, map[string]any{"name": name})
	}
	if secrets != nil {
		s["imagePullSecrets"] = secrets
	}
	return s
}

func (p podPlan) container(w wants, mounts []any) map[string]any {
	_, secured := p.secured()
	c := map[string]any{
		"name": containerName, "image": w.image, "command": []any{"sh", "-c", keepScript, "sh", workDir, partsDir},
		"resources":       map[string]any{"requests": w.requests, "limits": w.limits},
		"securityContext": secured, "volumeMounts": mounts, "env": p.env(),
	}
	if w.pull != "" {
		c["imagePullPolicy"] = w.pull
	}
	return c
}

// env tells programs who they are, where that is not the image's user, and uv where the packages are kept, which may be another file system than the environment's.
func (p podPlan) env() []any {
	if p.cache == nil {
		return p.who()
	}
	return append(p.who(), map[string]any{"name": "UV_CACHE_DIR", "value": cacheDir + "/uv"}, map[string]any{"name": "UV_LINK_MODE", "value": "copy"})
}

// volumes are the pod's: where the agent works, shared memory as large as the pod's memory, and the cache.
func (p podPlan) volumes(w wants) (volumes, mounts []any) {
	add := func(name, path string, source map[string]any) {
		v := map[string]any{"name": name}
		for k, s := range source {
			v[k] = s
		}
		volumes = append(volumes, v)
		mounts = append(mounts, map[string]any{"name": name, "mountPath": path})
	}
	add("work", workDir, map[string]any{"emptyDir": map[string]any{}})
	add("shm", "/dev/shm", map[string]any{"emptyDir": map[string]any{"medium": "Memory"}})
	if w.agent != nil {
		add("agent", partsDir, w.agent)
	}
	if p.cache != nil {
		add("cache", cacheDir, p.cache)
	}
	return volumes, mounts
}

// jobLabels are those of a run's Job and of its pod.
func jobLabels(j driver.Job) map[string]string {
	return map[string]string{labelJob: j.ID, labelRun: j.Run, labelAttempt: strconv.Itoa(j.Attempt)}
}

func anyMap(m map[string]string) map[string]any {
	out := map[string]any{}
	for k, v := range m {
		out[k] = v
	}
	return out
}

func anyList(list []map[string]any) []any {
	out := make([]any, len(list))
	for i, m := range list {
		out[i] = m
	}
	return out
}
