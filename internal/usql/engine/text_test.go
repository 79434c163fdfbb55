package engine_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/usql"
	"github.com/zaffre-ml/zaffre/internal/usql/engine"
)

// TestEveryText: any text goes to DuckDB and comes back as it was, also where DuckDB reads a file in parts on
// several processors: 60,000 rows full of quotes, line ends and what stands for null.
func TestEveryText(t *testing.T) {
	t.Parallel()
	py := python(t)
	store, work := t.TempDir(), t.TempDir()
	pieces := []string{"a", ",", `""`, "\n", "\r", "\r\n", `\N`, `\`, "é", "😀", "'", " ", "\t", "NULL", "{}", strings.Repeat("long ", 30), "\x01"}
	var b strings.Builder
	r := rand.New(rand.NewPCG(1, 2))
	for range 60_000 {
		for i := range 2 {
			b.WriteByte('"')
			for range r.IntN(8) {
				b.WriteString(pieces[r.IntN(len(pieces))])
			}
			b.WriteString([]string{`",`, "\"\r\n"}[i])
		}
	}
	write(t, filepath.Join(store, "in.csv"), b.String())
	plan, err := usql.Compile(`@t = EXTRACT a string, b string FROM "/in.csv" USING Extractors.Csv();
@u = SELECT a, b.Trim() == b ? b : b AS b FROM @t;
OUTPUT @u TO "/out.csv" USING Outputters.Csv();`, nil)
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(store)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if _, err := engine.Run(t.Context(), plan, engine.Options{Store: root, Work: work, Python: py}); err != nil {
		t.Fatalf("%+v", err)
	}
	got := content(t, store)["out.csv"]
	if want := b.String(); got != want {
		n := 0
		for n < min(len(got), len(want)) && got[n] == want[n] {
			n++
		}
		t.Errorf("%d bytes, want %d; from byte %d on %.80q, want %.80q", len(got), len(want), n, got[n:], want[n:])
	}
}
