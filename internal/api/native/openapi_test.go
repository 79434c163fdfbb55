package native_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/api/native"
)

var update = flag.Bool("update", false, "write the generated files")

func TestOpenAPIIsUpToDate(t *testing.T) {
	t.Parallel()
	got, err := native.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("..", "..", "..", "docs", "reference", "openapi.yaml")
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("docs/reference/openapi.yaml is out of date; run: go test ./internal/api/native -update (-want +got):\n%s", diff)
	}
}
