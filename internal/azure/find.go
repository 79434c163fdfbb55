package azure

import (
	"context"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
)

// kind is a type of resource that says where it is.
type kind struct {
	typ  string
	find func(*Client, context.Context, id.Resource) (map[string]string, error)
}

func kinds() []kind {
	return []kind{
		{"Microsoft.Compute/virtualMachines", (*Client).machine},
		{"Microsoft.HDInsight/clusters", (*Client).hdinsight},
		{"Microsoft.Databricks/workspaces", (*Client).databricks},
		{"Microsoft.ContainerService/managedClusters", (*Client).aks},
	}
}

// Find returns fields of an inventory entry by their names. It ends within 10 seconds. The faults are
// fault.NotFound, Reason "AzureHasNone"; fault.Unsupported, "AzureTypeUnknown"; fault.Precondition,
// "AzureRefused"; fault.Unavailable, "AzureUnavailable". What Azure said stands in Why, without secrets.
func (c *Client) Find(ctx context.Context, r id.Resource) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	var known []string
	for _, k := range kinds() {
		if r.IsType(k.typ) {
			return k.find(c, ctx, r)
		}
		known = append(known, k.typ)
	}
	return nil, &fault.Error{
		Code: fault.Unsupported, Reason: "AzureTypeUnknown", What: cannot,
		Why: "it is not asked of the type " + r.Type() + ", only of " + strings.Join(known, ", "),
		Fix: "add an entry; run: zaffre inventory add RESOURCE-ID address=ADDRESS",
	}
}

// ref is a resource that another names.
type ref struct {
	ID         string `json:"id"`
	Properties struct {
		Primary bool `json:"primary"`
	} `json:"properties"`
}

// Source: Microsoft.Compute/virtualMachines, api-version 2024-07-01.
type machineDoc struct {
	Properties struct {
		NetworkProfile struct {
			NetworkInterfaces []ref `json:"networkInterfaces"`
		} `json:"networkProfile"`
	} `json:"properties"`
}

// Source: Microsoft.Network/networkInterfaces, api-version 2024-05-01.
type interfaceDoc struct {
	Properties struct {
		IPConfigurations []ipConfiguration `json:"ipConfigurations"`
	} `json:"properties"`
}

type ipConfiguration struct {
	Properties struct {
		Primary          bool   `json:"primary"`
		PrivateIPAddress string `json:"privateIPAddress"`
		PublicIPAddress  *ref   `json:"publicIPAddress"`
	} `json:"properties"`
}

const networkVersion = "2024-05-01"

// machine goes from a virtual machine by its primary network interface to an address.
func (c *Client) machine(ctx context.Context, r id.Resource) (map[string]string, error) {
	var doc machineDoc
	if err := c.get(ctx, r, "2024-07-01", &doc); err != nil {
		return nil, err
	}
	nics := doc.Properties.NetworkProfile.NetworkInterfaces
	if len(nics) == 0 {
		return nil, c.none("the virtual machine has no network interface")
	}
	nic := nics[max(0, slices.IndexFunc(nics, func(n ref) bool { return n.Properties.Primary }))]
	private, public, err := c.addresses(ctx, r, nic)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, a := range []string{private, public} {
		if a != "" {
			found = append(found, a)
		}
	}
	if c.config.Address == Public {
		slices.Reverse(found)
	}
	if len(found) == 0 {
		return nil, c.none("the virtual machine has no address now; it may be switched off")
	}
	if _, err := netip.ParseAddr(found[0]); err != nil {
		return nil, c.unreadable(r, "its address is no IP address")
	}
	return map[string]string{"address": found[0]}, nil
}

// addresses returns those of a network interface, its primary configuration first; the public one only
// where it counts.
func (c *Client) addresses(ctx context.Context, of id.Resource, nic ref) (private, public string, err error) {
	r, err := c.named(of, nic, "Microsoft.Network/networkInterfaces")
	if err != nil {
		return "", "", err
	}
	var doc interfaceDoc
	if err := c.get(ctx, r, networkVersion, &doc); err != nil {
		return "", "", err
	}
	list := doc.Properties.IPConfigurations
	primary := slices.IndexFunc(list, func(i ipConfiguration) bool { return i.Properties.Primary })
	if primary > 0 {
		list[0], list[primary] = list[primary], list[0]
	}
	for _, i := range list {
		if private == "" {
			private = i.Properties.PrivateIPAddress
		}
		if public == "" && i.Properties.PublicIPAddress != nil && (c.config.Address == Public || private == "") {
			if public, err = c.publicAddress(ctx, r, *i.Properties.PublicIPAddress); err != nil {
				return "", "", err
			}
		}
	}
	return private, public, nil
}

func (c *Client) publicAddress(ctx context.Context, of id.Resource, a ref) (string, error) {
	r, err := c.named(of, a, "Microsoft.Network/publicIPAddresses")
	if err != nil {
		return "", err
	}
	var doc struct {
		Properties struct {
			IPAddress string `json:"ipAddress"`
		} `json:"properties"`
	}
	err = c.get(ctx, r, networkVersion, &doc)
	return doc.Properties.IPAddress, err
}

// named is the resource of a type that an answer names.
func (c *Client) named(of id.Resource, a ref, typ string) (id.Resource, error) {
	r, err := id.ParseResource(a.ID)
	if err != nil || !r.IsType(typ) {
		return r, c.unreadable(of, "it names something that is no "+typ)
	}
	return r, nil
}

// hdinsight finds a cluster's endpoints of SSH and Livy.
// Source: Microsoft.HDInsight/clusters, api-version 2021-06-01.
func (c *Client) hdinsight(ctx context.Context, r id.Resource) (map[string]string, error) {
	var doc struct {
		Properties struct {
			Endpoints []struct {
				Name     string `json:"name"`
				Location string `json:"location"`
				Port     int    `json:"port"`
			} `json:"connectivityEndpoints"`
		} `json:"properties"`
	}
	if err := c.get(ctx, r, "2021-06-01", &doc); err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, e := range doc.Properties.Endpoints {
		switch {
		case !isHost(e.Location):
		case strings.EqualFold(e.Name, "SSH") && out["address"] == "":
			out["address"] = e.Location
			if e.Port > 0 {
				out["port"] = strconv.Itoa(e.Port)
			}
		case strings.EqualFold(e.Name, "HTTPS") && out["livy"] == "":
			out["livy"] = "https://" + e.Location + "/livy"
		}
	}
	if len(out) == 0 {
		return nil, c.none("the cluster has no endpoint for SSH or HTTPS")
	}
	return out, nil
}

// databricks finds a workspace's URL.
// Source: Microsoft.Databricks/workspaces, api-version 2023-02-01.
func (c *Client) databricks(ctx context.Context, r id.Resource) (map[string]string, error) {
	var doc struct {
		Properties struct {
			WorkspaceURL string `json:"workspaceUrl"`
		} `json:"properties"`
	}
	if err := c.get(ctx, r, "2023-02-01", &doc); err != nil {
		return nil, err
	}
	if !isHost(doc.Properties.WorkspaceURL) {
		return nil, c.none("the workspace has no workspaceUrl")
	}
	return map[string]string{"databricks": "https://" + doc.Properties.WorkspaceURL}, nil
}

// aks finds the address of a cluster's API server.
// Source: Microsoft.ContainerService/managedClusters, api-version 2024-09-01.
func (c *Client) aks(ctx context.Context, r id.Resource) (map[string]string, error) {
	var doc struct {
		Properties struct {
			FQDN        string `json:"fqdn"`
			PrivateFQDN string `json:"privateFQDN"`
		} `json:"properties"`
	}
	if err := c.get(ctx, r, "2024-09-01", &doc); err != nil {
		return nil, err
	}
	names := []string{doc.Properties.PrivateFQDN, doc.Properties.FQDN}
	if c.config.Address == Public {
		slices.Reverse(names)
	}
	i := slices.IndexFunc(names, isHost)
	if i < 0 {
		return nil, c.none("the cluster has no fqdn")
	}
	return map[string]string{"address": names[i], "port": "443"}, nil
}

// isHost reports whether s can be the name of a host: it becomes part of a URL.
func isHost(s string) bool {
	return s != "" && len(s) <= 253 && !strings.ContainsFunc(s, func(r rune) bool {
		return r != '.' && r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}
