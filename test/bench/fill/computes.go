package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/id"
	"github.com/zaffre-ml/zaffre/internal/store/sqlstore"
)

// fillComputes inserts machines as they are after their attach. Nobody looks at them again: they have no
// row of work.
func fillComputes(ctx context.Context, file, workspace string, n int) error {
	db, err := sqlstore.OpenWith(ctx, "sqlite:"+file, slog.New(slog.DiscardHandler), sqlstore.Options{NoSync: true})
	if err != nil {
		return err
	}
	defer db.Close()
	for i := range n {
		if err := db.Targets().Insert(ctx, machine(workspace, i)); err != nil {
			return err
		}
	}
	return nil
}

func machine(workspace string, i int) compute.Target {
	now := time.Now()
	seen := driver.Observation{
		Exists: true, Ready: true, Identity: fmt.Sprintf("SHA256:%043d/boot", i), Lasting: fmt.Sprintf("%032d", i), Observed: now,
		Machines: []driver.Machine{{Identity: fmt.Sprint(i), Name: fmt.Sprintf("vm-%04d", i), Runs: 4, CPU: 4, Memory: 16 << 30}},
		Facts: map[string]string{
			"os": "Debian GNU/Linux 12 (bookworm)", "arch": "x86_64", "kernel": "6.1.0", "python.version": "3.11.2", "home": "/home/azureuser", "shell": "/bin/bash",
		},
		Pin: map[string]string{"hostKey": fmt.Sprintf("ssh-ed25519 %068d", i)},
	}
	for _, name := range []string{"dns", "tcp", "banner", "key-exchange", "host-key", "authentication", "shell", "platform", "work-directory", "disk", "logind", "python", "uv", "docker", "gpu", "clock"} {
		seen.Checks = append(seen.Checks, driver.Check{Name: name, Required: true, OK: true, Duration: 3 * time.Millisecond, Evidence: []string{"as it should be: " + name}})
	}
	return compute.Target{
		Workspace: workspace, Name: fmt.Sprintf("vm-%04d", i), ID: id.New(), Kind: "sshvm", CreatedBy: "bench", Created: now, Revision: 1,
		Spec: compute.Spec{
			Options: map[string]any{"address": fmt.Sprintf("10.%d.%d.4", i/250, i%250), "sshPort": int64(22), "administratorAccount.username": "azureuser"},
			Sealed:  map[string][]byte{"administratorAccount.password": make([]byte, 64)},
			Foreign: []byte(fmt.Sprintf(`{"computeType":"VirtualMachine","tags":{"n":"%d"}}`, i)),
		},
		Status: compute.Status{
			State: compute.Succeeded, Seen: seen, Pinned: seen.Pin, Revision: 1, Changed: now,
			Conditions: []compute.Condition{{Type: "Reachable", OK: true, Since: now}, {Type: "Ready", OK: true, Since: now}},
		},
	}
}
