package sshx

import (
	"fmt"
	"strings"
)

// Quote returns s as one word for a POSIX shell.
func Quote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func quoteAll(words []string) string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = Quote(w)
	}
	return strings.Join(out, " ")
}

// Wrap returns a command line that runs a POSIX shell script, whatever the login shell is that reads
// it first: bash, dash, zsh, ksh, fish, csh and tcsh read it alike. Inside single quotes they differ
// in "'", "\", "!" and newlines; so those, and all else that is not plain, go as octal escapes that
// printf undoes. The shell does not see the script's own characters, and neither does who echoes
// the command line (set -v).
func Wrap(script string) string {
	var b strings.Builder
	b.WriteString(`exec /bin/sh -c 'eval "$(printf "`)
	for i := range len(script) {
		if c := script[i]; isPlain(c) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, `\%03o`, c)
		}
	}
	b.WriteString(`")"'`)
	return b.String()
}

func isPlain(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte(" ,./:;=@_+-", c) >= 0
}

// say returns a command that prints s and holds none of it as it is: a shell that echoes its commands
// does not print s.
func say(s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, `\%03o`, s[i])
	}
	return "printf '" + b.String() + "'"
}
