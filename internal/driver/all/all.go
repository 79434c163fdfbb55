// Package all lists the kinds of compute target.
package all

import (
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/adla"
	"github.com/zaffre-ml/zaffre/internal/driver/batch"
	"github.com/zaffre-ml/zaffre/internal/driver/databricks"
	"github.com/zaffre-ml/zaffre/internal/driver/hdinsight"
	"github.com/zaffre-ml/zaffre/internal/driver/kubernetes"
	"github.com/zaffre-ml/zaffre/internal/driver/local"
	"github.com/zaffre-ml/zaffre/internal/driver/sshvm"
	"github.com/zaffre-ml/zaffre/internal/driver/synapse"
)

// Kinds returns every kind that works on real machines, in the order in which they are shown.
func Kinds() []driver.Kind {
	return []driver.Kind{
		local.Kind(),
		sshvm.Kind(),
		kubernetes.Kind(),
		batch.Kind(),
		hdinsight.Kind(),
		databricks.Kind(),
		synapse.Kind(),
		adla.Kind(),
	}
}
