package envbuild

import (
	"bufio"
	"cmp"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// handed are the variables that builds get from the agent; those that end in "*" are prefixes. A
// build runs code of the packages, so nothing else passes.
var handed = []string{
	"PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_*", "TZ", "TMPDIR", "XDG_*", "NETRC",
	"SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO",
	"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
	"UV_*", "PIP_*", "PYENV_ROOT", "CC", "CXX", "CFLAGS", "CXXFLAGS", "CPPFLAGS", "LDFLAGS", "MAKEFLAGS",
	"LD_LIBRARY_PATH", "PKG_CONFIG_PATH", "CUDA_HOME", "MAMBA_ROOT_PREFIX", "CONDARC",
}

// baseEnviron returns what any program of a build gets.
func baseEnviron() []string {
	var out []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		if slices.ContainsFunc(handed, func(p string) bool {
			prefix, wild := strings.CutSuffix(p, "*")
			return name == p || wild && strings.HasPrefix(name, prefix)
		}) {
			out = append(out, kv)
		}
	}
	return out
}

// uvEnviron returns uv's environment. uv reads none of pip's configuration, so what pip is told
// about indexes and certificates, in variables and in its files, is told to uv in its own words.
func (b *build) uvEnviron() []string {
	env := b.environ()
	for name, value := range b.led {
		if value != "" {
			env[name] = value
		}
	}
	out := make([]string, 0, len(env))
	for _, name := range slices.Sorted(maps.Keys(env)) {
		out = append(out, name+"="+env[name])
	}
	return out
}

// environ returns what the machine says by itself.
func (b *build) environ() map[string]string {
	env := map[string]string{
		"UV_CACHE_DIR": filepath.Join(b.root, "uv-cache"),
		"UV_LINK_MODE": linkMode(), "UV_NO_PROGRESS": "1", "NO_COLOR": "1",
	}
	if noCredentials() {
		env["UV_CREDENTIALS_DIR"] = filepath.Join(b.root, "tools", "credentials") // uv makes the folder even if it keeps nothing there
	}
	maps.Copy(env, fromPip(pipSettings()))
	for _, kv := range baseEnviron() {
		if name, value, _ := strings.Cut(kv, "="); value != "" {
			env[name] = value
		}
	}
	return env
}

// noCredentials reports whether the user never logged in to an index by uv.
func noCredentials() bool {
	home, _ := os.UserHomeDir()
	_, err := os.Stat(filepath.Join(cmp.Or(os.Getenv("XDG_DATA_HOME"), filepath.Join(home, ".local/share")), "uv", "credentials"))
	return err != nil
}

// fromPip translates pip's settings into uv's variables.
func fromPip(pip map[string]string) map[string]string {
	env := map[string]string{}
	set := func(name, value string) {
		if value != "" {
			env[name] = value
		}
	}
	set("UV_DEFAULT_INDEX", pip["index-url"])
	set("UV_INDEX", strings.Join(strings.Fields(pip["extra-index-url"]), " "))
	set("UV_FIND_LINKS", strings.Join(slices.DeleteFunc(strings.Fields(pip["find-links"]), missingFolder), ","))
	set("UV_INSECURE_HOST", strings.Join(strings.Fields(pip["trusted-host"]), " "))
	set("SSL_CERT_FILE", pip["cert"])
	if v := strings.ToLower(pip["no-index"]); v == "1" || v == "true" || v == "yes" || v == "on" {
		env["UV_NO_INDEX"] = "1"
	}
	return env
}

// missingFolder reports whether a place to find packages is a folder that is not there. pip passes
// over it; uv would stop.
func missingFolder(place string) bool {
	if u, err := url.Parse(place); err == nil && u.Scheme != "" {
		return false
	}
	_, err := os.Stat(place)
	return err != nil
}

// pipSettings reads pip's files, the later the stronger, and then its variables.
func pipSettings() map[string]string {
	out := map[string]string{}
	home, _ := os.UserHomeDir()
	files := []string{
		"/etc/pip.conf", filepath.Join(home, ".pip/pip.conf"), filepath.Join(home, ".config/pip/pip.conf"),
		os.Getenv("PIP_CONFIG_FILE"),
	}
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil {
			maps.Copy(out, pipFile(string(text)))
		}
	}
	for _, name := range []string{"index-url", "extra-index-url", "find-links", "trusted-host", "cert", "no-index"} {
		if v := os.Getenv("PIP_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))); v != "" {
			out[name] = v
		}
	}
	return out
}

// pipFile reads the sections of a pip.conf that count for installing.
func pipFile(text string) map[string]string {
	out := map[string]string{}
	counts, last := false, ""
	for s := bufio.NewScanner(strings.NewReader(text)); s.Scan(); {
		line := s.Text()
		trimmed := strings.TrimSpace(line)
		switch {
		case trimmed == "" || trimmed[0] == '#' || trimmed[0] == ';':
		case trimmed[0] == '[':
			counts, last = trimmed == "[global]" || trimmed == "[install]", ""
		case !counts:
		case line[0] == ' ' || line[0] == '\t':
			if last != "" {
				out[last] += "\n" + trimmed // a value of several lines
			}
		default:
			name, value, _ := strings.Cut(trimmed, "=")
			last = strings.ReplaceAll(strings.ToLower(strings.TrimSpace(name)), "_", "-")
			out[last] = strings.TrimSpace(value)
		}
	}
	return out
}
