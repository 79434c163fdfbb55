package inventory

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
	"github.com/zaffre-ml/zaffre/internal/identity"
)

// Resolve returns what stands behind a resource ID, secrets opened, to a caller who may use it. The entry
// of the inventory counts; where there is none, or it says not where the thing is, real Azure is asked.
// It fails with fault.Precondition, Reason "ResourceUnknown", and with the faults of Azure, which say what
// was tried, and with fault.Denied, Reason "ResourceDenied" for an entry that the caller may not use, and
// "RoleMissing" for Azure without the role of a Contributor.
func (s *Service) Resolve(ctx context.Context, workspace, resourceID string) (Thing, error) {
	e, err := s.Get(identity.System(ctx), workspace, resourceID)
	if fault.CodeOf(err) == fault.NotFound {
		return s.resolveElsewhere(ctx, workspace, resourceID)
	}
	if err != nil {
		return Thing{}, err
	}
	if caller := identity.From(ctx); !e.permits(caller) {
		return Thing{}, e.denied(caller)
	}
	t, err := s.thing(ctx, e)
	if err != nil || s.Azure == nil || t.placed(resourceID) {
		return t, err
	}
	found, err := s.askAzure(ctx, workspace, resourceID)
	if err != nil {
		return Thing{}, s.unknown(workspace, resourceID, "the entry in the inventory of workspace "+workspace+" does not say where it is", err)
	}
	for path, v := range found.Options {
		if _, said := t.Options[path]; !said {
			t.Options[path] = v
		}
	}
	t.Source += ", " + found.Source
	return t, nil
}

func (s *Service) resolveElsewhere(ctx context.Context, workspace, resourceID string) (Thing, error) {
	const none = "the inventory of workspace %q has no entry for this resource ID"
	if s.Azure == nil {
		return Thing{}, s.unknown(workspace, resourceID, fmt.Sprintf(none, workspace), nil)
	}
	if err := identity.Require(ctx, workspace, identity.Contributor); err != nil {
		return Thing{}, err
	}
	t, err := s.askAzure(ctx, workspace, resourceID)
	if err != nil {
		return Thing{}, s.unknown(workspace, resourceID, fmt.Sprintf(none, workspace), err)
	}
	return t, nil
}

// thing opens an entry.
func (s *Service) thing(ctx context.Context, e Entry) (Thing, error) {
	t := Thing{ID: e.ID, Revision: e.Changed.UnixMicro(), Source: "inventory", Options: map[string]any{}, Secrets: map[string]string{}}
	if e.Source != "" {
		t.Source = e.Source
	}
	if err := t.set(e.Settings); err != nil {
		return Thing{}, err
	}
	for name := range e.Sealed {
		f, err := fieldNamed(name)
		if err != nil {
			continue // a newer zaffre wrote it
		}
		if t.Secrets[f.path], err = s.open(ctx, e, name); err != nil {
			return Thing{}, err
		}
	}
	return t, nil
}

// set takes over fields by their names, without secrets.
func (t Thing) set(fields map[string]string) error {
	for name, text := range fields {
		f, err := fieldNamed(name)
		if err != nil {
			continue // a newer zaffre wrote it
		}
		if t.Options[f.path], err = f.value(text); err != nil {
			return err
		}
	}
	return nil
}

// placed reports whether t says where the thing behind a resource ID is.
func (t Thing) placed(resourceID string) bool {
	return names(resourceID, t.Options) || t.Secrets["kubeconfig"] != ""
}

// askAzure asks real Azure, or answers with what it said lately.
func (s *Service) askAzure(ctx context.Context, workspace, resourceID string) (Thing, error) {
	r, err := id.ParseResource(resourceID)
	if err != nil {
		return Thing{}, err
	}
	fields, changed, err := s.answers.find(ctx, workspace, r)
	if changed && s.Changed != nil {
		s.Changed(context.WithoutCancel(ctx), workspace, resourceID)
	}
	if err != nil {
		return Thing{}, err
	}
	t := Thing{Source: "Azure", Options: map[string]any{}, Secrets: map[string]string{}}
	return t, t.set(fields)
}

// unknown says what was tried: the request, the inventory, and Azure, whose fault is cause; nil: it is not
// asked.
func (s *Service) unknown(workspace, resourceID, inventory string, cause error) error {
	f := &fault.Error{
		Code: fault.Precondition, Reason: "ResourceUnknown", What: fmt.Sprintf("nothing says what stands behind %q", resourceID),
		Why: "the request gives no address, " + inventory + ", and this server asks no real Azure",
		Fix: "give an address, or add an entry; run: zaffre inventory add " + quote(resourceID) + " " + placeOf(resourceID), Field: "options.resourceId",
	}
	azure := fault.From(cause)
	if azure == nil {
		return f
	}
	f.Why = "the request gives no address, " + inventory + ", and real Azure does not say it: " + azure.Why
	f.Evidence, f.RetryAfter, f.Err = azure.Evidence, azure.RetryAfter, azure.Err
	if azure.Code != fault.NotFound && azure.Code != fault.Unsupported {
		f.Code, f.Reason, f.Fix = azure.Code, azure.Reason, azure.Fix
	}
	return f
}

// placeOf is the field that says where a resource is, with a word for its value.
func placeOf(resourceID string) string {
	r, err := id.ParseResource(resourceID)
	switch {
	case err != nil:
	case r.IsType("Microsoft.Databricks/workspaces"):
		return "databricks=URL"
	case r.IsType("Microsoft.Synapse/workspaces/bigDataPools"):
		return "livy=URL"
	case r.IsType("Microsoft.Batch/batchAccounts"):
		return "batch=URL, or slurm=TARGET"
	case r.IsType("Microsoft.ContainerService/managedClusters"), r.IsType("Microsoft.Kubernetes/connectedClusters"):
		return "--secret kubeconfig=FILE"
	case r.IsType("Microsoft.DataLakeAnalytics/accounts"):
		return "host=TARGET store=FOLDER"
	}
	return "address=ADDRESS"
}

func (e Entry) denied(c identity.Caller) error {
	fix := "ask an owner for the right; they run: zaffre inventory add --allow NAME " + quote(e.ResourceID)
	if e.Source != "" {
		fix = "ask whoever runs the server for the right, which stands under allow at " + e.Source
	}
	return &fault.Error{
		Code: fault.Denied, Reason: "ResourceDenied", What: fmt.Sprintf("%q may not use the inventory entry of %q", c.Name, e.ResourceID),
		Why: "it is for " + strings.Join(e.Allowed(), ", ") + " and for owners", Fix: fix, Field: "options.resourceId",
	}
}

// Allowed returns who may use the entry, besides owners.
func (e Entry) Allowed() []string {
	if len(e.Allow) == 0 {
		return []string{string(identity.Contributor)}
	}
	return e.Allow
}

// permits reports whether a caller may use the entry.
func (e Entry) permits(c identity.Caller) bool {
	role := c.RoleIn(e.Workspace)
	if role.Includes(identity.Owner) {
		return true
	}
	if len(e.Allow) == 0 {
		return role.Includes(identity.Contributor)
	}
	return slices.ContainsFunc(e.Allow, func(who string) bool {
		need := identity.Role(who)
		return need.Valid() && role.Includes(need) || !need.Valid() && role != "" && who == c.Name
	})
}

// quote makes one word of a shell of it.
func quote(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return !strings.ContainsRune("-_./:", r) && !isWord(r) }) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func isWord(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}
