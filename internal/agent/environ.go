package agent

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// inherited are the variables that a job has from the agent; those that end in "*" are prefixes.
// Credentials of the server's own environment do not pass.
var inherited = []string{
	"PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_*", "TZ", "TMPDIR",
	"SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT",
	"NODE_EXTRA_CA_CERTS", "AWS_CA_BUNDLE", "GIT_SSL_CAINFO", "HTTPLIB2_CA_CERTS",
	"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "FTP_PROXY",
	"http_proxy", "https_proxy", "no_proxy", "all_proxy", "ftp_proxy",
}

// scheduled are those that a scheduler tells its jobs: where they are, and which devices are theirs.
var scheduled = []string{
	"SLURM_*", "SLURMD_*", "CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL", "ZE_AFFINITY_MASK",
}

// environ returns the environment of a job, in the order of the names.
func environ(j *jobSpec, root string, own []string) []string {
	env := map[string]string{}
	for _, kv := range own {
		if k, v, _ := strings.Cut(kv, "="); passes(k, inherited) || j.Elsewhere && passes(k, scheduled) {
			env[k] = v
		}
	}
	if env["PATH"] == "" {
		env["PATH"] = "/usr/local/bin:/usr/bin:/bin"
	}
	env["PYTHONUNBUFFERED"] = "1"
	if gpus, set := visibleGPUs(j.GPUs); set && !j.Elsewhere {
		env["CUDA_VISIBLE_DEVICES"] = gpus
	}
	maps.Copy(env, j.Env)
	if j.Token != "" {
		spare(env)
		hook(env, root)
	}
	if j.Prefix != "" {
		env["VIRTUAL_ENV"] = j.Prefix
		env["PATH"] = filepath.Join(j.Prefix, "bin") + ":" + env["PATH"]
	}
	list := make([]string, 0, len(env))
	for _, k := range slices.Sorted(maps.Keys(env)) {
		list = append(list, k+"="+env[k])
	}
	return list
}

func passes(name string, list []string) bool {
	return slices.ContainsFunc(list, func(p string) bool {
		prefix, wild := strings.CutSuffix(p, "*")
		return name == p || wild && strings.HasPrefix(name, prefix)
	})
}

// visibleGPUs returns CUDA_VISIBLE_DEVICES. A job without GPUs on a machine that has some sees
// none of them; on a machine without, the variable stays unset.
func visibleGPUs(gpus []int) (value string, set bool) {
	words := make([]string, len(gpus))
	for i, g := range gpus {
		words[i] = strconv.Itoa(g)
	}
	_, err := os.Stat("/dev/nvidiactl")
	return strings.Join(words, ","), len(gpus) > 0 || err == nil
}
