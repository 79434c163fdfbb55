package adla

import (
	"strings"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/driver"
)

// TestWithDuckDB: an environment that names DuckDB has the version that it names.
func TestWithDuckDB(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		given driver.Definition
		want  string
	}{
		{driver.Definition{}, "duckdb==1.4.5"},
		{driver.Definition{Pip: []string{"six", "duckdb-engine==0.1"}}, "six duckdb-engine==0.1 duckdb==1.4.5"},
		{driver.Definition{Pip: []string{"DuckDB>=1.4"}}, "DuckDB>=1.4"},
		{driver.Definition{Pip: []string{"duckdb"}}, "duckdb"},
		{driver.Definition{Conda: []byte("dependencies:\n- conda-forge::python-duckdb=1.4\n")}, ""},
		{driver.Definition{Conda: []byte("dependencies: [numpy]\n")}, "duckdb==1.4.5"},
		{driver.Definition{UserManaged: true}, ""},
	} {
		got := withDuckDB(tt.given, "1.4.5")
		if text := strings.Join(got.Pip, " "); text != tt.want {
			t.Errorf("%+v becomes %q, want %q", tt.given, text, tt.want)
		}
	}
}
