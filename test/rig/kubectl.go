package rig

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"
)

// busy is what kubectl says of an API server that has much else to do.
var busy = regexp.MustCompile("TLS handshake timeout|request timed out|currently unable|Client.Timeout exceeded|ServiceUnavailable|context deadline exceeded")

// Kubectl does something as the administrator of the cluster of test/engines/kubernetes.sh, and returns what is said.
func Kubectl(in string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	for {
		cmd := exec.CommandContext(ctx, os.Getenv("ENGINES_KUBECTL"), append([]string{"--kubeconfig", os.Getenv("TEST_KUBERNETES")}, args...)...)
		cmd.Stdin = strings.NewReader(in)
		out, err := cmd.CombinedOutput()
		if err == nil {
			return string(out), nil
		}
		if ctx.Err() != nil || !busy.Match(out) {
			return "", fmt.Errorf("kubectl %v: %w\n%s", args, err, out)
		}
		<-time.After(time.Second)
	}
}
