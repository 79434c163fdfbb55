package inventory_test

import (
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/inventory"
)

const (
	user     = "administratorAccount.username"
	password = "administratorAccount.password"
	key      = "administratorAccount.privateKeyData"
)

func TestFill(t *testing.T) {
	t.Parallel()
	type options = map[string]any
	type secrets = map[string]string
	known := map[string]bool{"address": true, "sshPort": true, "via": true, "hostKey": true, user: true, password: true, key: true, "slots": true}
	for _, tt := range []struct {
		reason      string
		thing       inventory.Thing
		options     options
		secrets     secrets
		wantOptions options
		wantSecrets secrets
	}{
		{
			"the place is the entry's, the account the request's",
			inventory.Thing{Options: options{"address": "a", user: "entry"}, Secrets: secrets{password: "E"}},
			options{"sshPort": int64(22), user: "me", "slots": int64(2)},
			secrets{key: "mine"},
			options{"address": "a", "sshPort": int64(22), user: "me", "slots": int64(2)},
			secrets{key: "mine"},
		},
		{
			"the entry's port wins over that of the script's old machine",
			inventory.Thing{Options: options{"address": "a", "sshPort": int64(2222)}},
			options{"sshPort": int64(22), user: "me"},
			secrets{password: "p"},
			options{"address": "a", "sshPort": int64(2222), user: "me"},
			secrets{password: "p"},
		},
		{
			"the entry's secrets are shown to no other port and no other jump host",
			inventory.Thing{Options: options{"address": "a"}, Secrets: secrets{password: "E"}},
			options{"sshPort": int64(6666), "via": []any{"evil"}, user: "me"},
			secrets{},
			options{"address": "a", user: "me"},
			secrets{password: "E"},
		},
		{
			"the entry's user goes with its secrets",
			inventory.Thing{Options: options{"address": "a", user: "entry"}, Secrets: secrets{password: "E"}},
			options{user: "me"},
			secrets{password: ""},
			options{"address": "a", user: "entry"},
			secrets{password: "E"},
		},
		{
			"what the kind has no option for is left out",
			inventory.Thing{Options: options{"address": "a", "livy": "https://x"}, Secrets: secrets{"kubeconfig": "K"}},
			options{},
			nil,
			options{"address": "a"},
			secrets{},
		},
		{
			"an entry that says nothing",
			inventory.Thing{},
			options{user: "me"},
			secrets{password: "p"},
			options{user: "me"},
			secrets{password: "p"},
		},
	} {
		t.Run(tt.reason, func(t *testing.T) {
			t.Parallel()
			before := maps.Clone(tt.options)
			gotOptions, gotSecrets := tt.thing.Fill(tt.options, tt.secrets, known)
			if diff := cmp.Diff(tt.wantOptions, gotOptions); diff != "" {
				t.Errorf("options (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.wantSecrets, gotSecrets); diff != "" {
				t.Errorf("secrets (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(before, tt.options); diff != "" {
				t.Errorf("the request was changed:\n%s", diff)
			}
		})
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		options map[string]any
		want    bool
	}{
		{map[string]any{"address": "10.0.0.4"}, true},
		{map[string]any{"livy": "https://x"}, true},
		{map[string]any{"address": ""}, false},
		{map[string]any{"sshPort": int64(22), "via": []any{"b"}}, false},
		{nil, false},
		{map[string]any{"store": "/lake"}, false},
		{map[string]any{"store": "/lake", "resourceId": "/subscriptions/s/resourceGroups/g/providers/Microsoft.DataLakeAnalytics/accounts/a"}, true},
		{map[string]any{"store": "/lake", "resourceId": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Synapse/workspaces/w/bigDataPools/p"}, false},
	} {
		if got := inventory.Names(tt.options); got != tt.want {
			t.Errorf("Names(%v) is %v", tt.options, got)
		}
	}
}
