package kubernetes

import _ "embed"

// rbac is what the cluster's administrator grants.
//
//go:embed rbac.yaml
var rbac string
