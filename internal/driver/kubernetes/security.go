package kubernetes

import (
	"fmt"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/driver"
)

// userOf reads the user of the pods; 0: their images'.
func userOf(options map[string]any) (int64, error) {
	n, given := options[optUser].(int64)
	if given && (n < 1 || n > 1<<31-1) {
		return 0, optionFault(optUser, fmt.Sprintf("%d is no user without rights", n), "give a number above 0, such as 10001; or leave it out")
	}
	return n, nil
}

// secured are the settings of a pod and of its container. With a user of its own a pod is what the level "restricted" of
// pod security asks for. The volumes belong to that user's group, so that it can write there.
func (p podPlan) secured() (pod, container map[string]any) {
	pod = map[string]any{"seccompProfile": map[string]any{"type": "RuntimeDefault"}}
	container = map[string]any{"allowPrivilegeEscalation": false}
	if p.user == 0 {
		return pod, container
	}
	pod["runAsNonRoot"], pod["runAsUser"], pod["runAsGroup"], pod["fsGroup"] = true, p.user, p.user, p.user
	pod["fsGroupChangePolicy"] = "OnRootMismatch" // a large cache is not walked by each pod
	container["capabilities"] = map[string]any{"drop": []any{"ALL"}}
	return pod, container
}

// who are the variables of a user whom the image does not know: programs look for a name and a home. The agent makes
// the home, as it does below its own folder.
func (p podPlan) who() []any {
	if p.user == 0 {
		return []any{}
	}
	return []any{
		map[string]any{"name": "HOME", "value": workDir + "/" + p.target + "/home"},
		map[string]any{"name": "USER", "value": "zaffre"},
		map[string]any{"name": "LOGNAME", "value": "zaffre"},
	}
}

// hinted says what to do about a pod that the cluster does not let in.
func (c *conn) hinted(said string) string {
	switch {
	case !strings.Contains(said, "violates PodSecurity"):
		return said
	case strings.Contains(said, "hostPath"):
		return said + "; keep the packages in a claim instead, and submit it again: zaffre compute update NAME --cache pvc:CLAIM"
	case c.pods.user == 0:
		return said + "; have the pods run as a user without rights, and submit it again: zaffre compute update NAME --run-as-user 10001"
	}
	return said
}

// claimOf is the claim of a cache; "": it is none.
func claimOf(cache map[string]any) string {
	claim, _ := cache["persistentVolumeClaim"].(map[string]any)
	return driver.Text(claim["claimName"])
}
