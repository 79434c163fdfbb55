package drivertest

// POSIX is a Harness.Script for targets that run processes with a shell.
func POSIX(what string, args ...string) []string {
	sh := func(text string) []string { return append([]string{"sh", "-c", text, "sh"}, args...) }
	switch what {
	case "exit":
		return sh(`exit "$1"`)
	case "print":
		return sh(`printf '%s\n' "$1"`)
	case "hang":
		return []string{"sleep", "600"}
	case "stubborn":
		return sh(`trap '' TERM; echo ready; while :; do sleep 1; done`)
	case "signal":
		return sh(`kill -"$1" $$`)
	case "write":
		return sh(`mkdir -p "$(dirname "$1")" && printf %s "$2" > "$1"`)
	case "write-and-fail":
		return sh(`mkdir -p "$(dirname "$1")" && printf %s "$2" > "$1"; exit 1`)
	case "args":
		return sh(`printf '%s\n' "$@"`)
	case "env":
		return sh(`eval "printf %s \"\$$1\""`)
	case "list":
		return sh(`find . \( -path ./outputs -o -path ./logs \) -prune -o \( -type f -o -type l \) -print |
			while IFS= read -r f; do
				if [ -L "$f" ]; then printf 'link %s %s\n' "${f#./}" "$(readlink "$f")"; continue; fi
				kind=file; [ -x "$f" ] && kind=exec
				printf '%s %s %s\n' $kind "${f#./}" "$(cat "$f")"
			done`)
	case "eat":
		return append([]string{"python", "-c", "import sys, time; b = b'x' * int(sys.argv[1]); time.sleep(600)"}, args...)
	case "children":
		return sh(`setsid sleep 600 & echo $!`)
	case "missing":
		return []string{"missing-program"}
	case "missing-script":
		return []string{"python", "missing.py"}
	case "python":
		return append([]string{"python", "-c"}, args...)
	}
	return nil
}
