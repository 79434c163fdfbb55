package server

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/azure"
	"github.com/zaffre-ml/zaffre/internal/config"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/inventory"
	"github.com/zaffre-ml/zaffre/internal/workspace"
)

// openAzure makes the client that asks real Azure; nil where the configuration gives no credentials.
func openAzure(c config.Config) (inventory.Azure, error) {
	a := c.Azure
	if !a.Asked() {
		return nil, nil
	}
	secret := ""
	if a.SecretFile != "" {
		var err error
		if secret, err = readSecret("azure.secret-file", a.SecretFile); err != nil {
			return nil, err
		}
	}
	client, err := azure.New(azure.Config{
		Tenant: a.Tenant, Client: a.Client, Secret: secret, Ambient: a.Ambient, Login: a.Login, Endpoint: a.Endpoint, Address: a.Address,
	})
	if err != nil {
		return nil, err // a nil client in an interface is none
	}
	return client, nil
}

// declareInventory makes the entries of the configuration file those of the inventory.
func (s *server) declareInventory(ctx context.Context) error {
	var list []inventory.Declared
	for _, e := range s.cfg.Inventory {
		d, err := s.declared(ctx, e)
		if err != nil {
			return err
		}
		list = append(list, d)
	}
	return s.inventory.Declare(ctx, list)
}

func (s *server) declared(ctx context.Context, e config.Entry) (inventory.Declared, error) {
	d := inventory.Declared{Place: e.Place, Places: e.Places}
	d.Workspace, d.ResourceID, d.Settings, d.Allow = cmp.Or(e.Workspace, workspace.Default), e.ResourceID, e.Settings, e.Allow
	if err := s.workspaces.Exists(ctx, d.Workspace); err != nil {
		return d, unusablePlace(cmp.Or(e.Places["workspace"], e.Place), fault.From(err).What)
	}
	d.Secrets = map[string]string{}
	for name, file := range e.SecretFiles {
		secret, err := readSecret(e.Places[name], file)
		if err != nil {
			return d, err
		}
		d.Secrets[name] = secret
	}
	return d, nil
}

// secretMax bounds what is read of a file that should hold a secret: a kubeconfig is the longest.
const secretMax = 256 << 10

// readSecret reads a secret without the end of its last line. place says who names the file.
func readSecret(place, file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", unusablePlace(place, err.Error())
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, secretMax+1))
	text := strings.TrimRight(string(b), "\r\n")
	switch {
	case err != nil:
		return "", unusablePlace(place, err.Error())
	case len(b) > secretMax:
		return "", unusablePlace(place, fmt.Sprintf("%s has more than %d bytes", file, secretMax))
	case text == "":
		return "", unusablePlace(place, file+" is empty")
	}
	return text, nil
}

func unusablePlace(place, why string) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "ConfigInvalid", What: "the configuration file cannot be used", Why: place + ": " + why,
		Fix: "correct it; run: zaffre config show", Field: "inventory",
	}
}
