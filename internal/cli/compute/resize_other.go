//go:build !unix

package compute

import (
	"os"

	"github.com/zaffre-ml/zaffre/client"
)

// follow does nothing: this system does not tell of new sizes.
func follow(*os.File, *client.Shell) (stop func()) { return func() {} }
