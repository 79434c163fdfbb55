package server_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/driver/fake"
	"github.com/zaffre-ml/zaffre/internal/source"
)

// Who submits a script that lies beside the data folder must not send the keys along.
func TestTheDataFolderIsNoSource(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	startIn(t, filepath.Join(home, "data"), nil, fake.NewWorld())
	if err := os.WriteFile(filepath.Join(home, "train.py"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tree, err := source.Walk(t.Context(), home, source.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(tree.Files) != 1 || tree.Files[0].Path != "train.py" {
		t.Errorf("the source has %v, want train.py alone", tree.Files)
	}
}
