package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/test/chaos/lab"
	"github.com/zaffre-ml/zaffre/test/rig"
)

// open starts the machines and the server, and attaches them.
func (t *linkTrial) open(ctx context.Context) (err error) {
	private, public, err := lab.Key()
	if err != nil {
		return err
	}
	if t.net, err = lab.OpenNet(); err != nil {
		return err
	}
	if err := t.build(ctx, public); err != nil {
		return err
	}
	if err := t.serve(ctx); err != nil {
		return err
	}
	if err := attachAll(ctx, t.server.C, t.ws, t.farm, private); err != nil {
		return err
	}
	return t.upload(ctx)
}

// build starts the machines, some at a time.
func (t *linkTrial) build(ctx context.Context, authorized string) error {
	t.farm = make([]*lab.Machine, t.machines)
	failed := make([]error, t.machines)
	var wg sync.WaitGroup
	free := make(chan struct{}, 8)
	for i := range t.machines {
		free <- struct{}{}
		wg.Go(func() {
			t.farm[i], failed[i] = t.net.Machine(ctx, i, diskMiB, t.scratch, authorized)
			<-free
		})
	}
	wg.Wait()
	return errors.Join(failed...)
}

func (t *linkTrial) serve(ctx context.Context) error {
	port, err := rig.Port()
	if err != nil {
		return err
	}
	t.o = rig.Options{Bin: t.bin, Data: filepath.Join(t.scratch, "data"), Port: port}
	if t.server, err = rig.Start(ctx, t.o); err != nil {
		return err
	}
	t.ws = t.server.WS
	t.c, err = impatient(t.o.Data)
	return err
}

// impatient returns a client that tries nothing again by itself.
func impatient(data string) (*client.Client, error) {
	p, err := client.Load(data)
	if err != nil {
		return nil, err
	}
	cfg, err := p.Config()
	if err != nil {
		return nil, err
	}
	cfg.Retries = -1
	return client.New(cfg)
}

func (t *linkTrial) upload(ctx context.Context) (err error) {
	code := filepath.Join(t.scratch, "code")
	if err := rig.WriteFile(code, "writer.py", writer); err != nil {
		return err
	}
	t.code, err = t.server.Upload(ctx, code)
	return err
}

// attachAll attaches machines, and waits until runs may start on each.
func attachAll(ctx context.Context, c *client.Client, ws string, farm []*lab.Machine, key string) error {
	for _, m := range farm {
		_, err := c.AttachCompute(ctx, ws, client.Compute{Name: m.Name, Kind: "sshvm", Options: map[string]any{
			"address": m.Address, "administratorAccount.username": lab.User, "administratorAccount.privateKeyData": key, "slots": 4,
		}})
		if err != nil {
			return err
		}
	}
	end := time.Now().Add(10 * time.Minute)
	for _, m := range farm {
		for {
			t, err := c.Compute(ctx, ws, m.Name)
			if err == nil && condition(t, "Ready").OK {
				break
			}
			if err != nil || t.State == "Failed" || time.Now().After(end) {
				return fmt.Errorf("machine %s cannot be used: %s, %w, %+v", m.Name, t.State, err, t.Error)
			}
			if err := wait(ctx, 100*time.Millisecond); err != nil {
				return err
			}
		}
	}
	return nil
}

func condition(t client.Compute, kind string) client.Condition {
	for _, c := range t.Conditions {
		if c.Type == kind {
			return c
		}
	}
	return client.Condition{}
}
