package main

import (
	"fmt"
	"strings"

	"github.com/zaffre-ml/zaffre/client"
)

// lines is how many lines the commands that print write.
const lines = 200

// kind is a command, and what must become of it.
type kind struct {
	name     string
	script   string // for sh; a line in $RAN tells that it ran
	retries  int
	state    string
	attempts int
	exit     int  // of the last attempt
	prints   bool // lines, in each attempt
	cancel   bool // it is asked to end
	weight   int
}

const (
	mark  = `echo "$ZAFFRE_RUN_ID $ZAFFRE_ATTEMPT" >> "$RAN"; `
	print = `i=1; while [ $i -le 200 ]; do echo "line $i"; [ $((i % 50)) -eq 0 ] && sleep 0.05; i=$((i+1)); done; `
)

func kinds() []kind {
	return []kind{
		{name: "true", script: mark, state: "Completed", attempts: 1, weight: 4},
		{name: "lines", script: mark + print, state: "Completed", attempts: 1, prints: true, weight: 4},
		{name: "exit3", script: mark + "exit 3", state: "Failed", attempts: 1, exit: 3, weight: 2},
		{name: "sleep", script: mark + "sleep 0.4", state: "Completed", attempts: 1, weight: 2},
		{
			name: "again", script: mark + print + `[ "$ZAFFRE_ATTEMPT" -gt 1 ]`, retries: 1,
			state: "Completed", attempts: 2, prints: true, weight: 2,
		},
		{name: "cancel", script: mark + "exec sleep 600", state: "Canceled", attempts: 1, cancel: true, weight: 1},
	}
}

// order is a run that was asked for.
type order struct {
	name  string
	kind  kind
	acked bool // the server said yes: it must happen
	again bool // it was asked for more than once
	ask   bool // it was asked to end, and the server said yes
}

func (o *order) request(ran string) client.RunRequest {
	return client.RunRequest{
		Name: o.name, Experiment: o.kind.name, Command: []string{"sh", "-c", o.kind.script}, Retries: o.kind.retries,
		Variables: map[string]string{"RAN": ran},
	}
}

// wholeLog is what a command that prints leaves.
func wholeLog() string {
	var b strings.Builder
	for i := range lines {
		fmt.Fprintf(&b, "line %d\n", i+1)
	}
	return b.String()
}
