package relay_test

import (
	"os"
	"strings"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/relay"
)

// TestDocumented: the page for users names all that is kept.
func TestDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/howto/links-that-break.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range relay.Writes() {
		if !strings.Contains(string(page), "| "+w.Name+" | ") {
			t.Errorf("the page does not name %q", w.Name)
		}
	}
}

// TestFollows: what is asked about runs comes after what was written to them, and files do not.
func TestFollows(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]bool{
		"/api/2.0/mlflow/runs/get": true, "/workspaces/w/api/3.0/mlflow/traces": true, "/history/v1.0/x": true, "/metric/v2.0/x": true,
		"/api/2.0/mlflow-artifacts/artifacts/default/f": false, "/zblob/c/f": false, "/discovery/w": false, "/artifact/v2.0/x": false,
	} {
		if got := relay.Follows(path); got != want {
			t.Errorf("Follows(%q) = %v", path, got)
		}
	}
}
