package agentx

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// everything has any file that is asked for, as the server's store does; a job's code is one of them.
type everything struct{}

func (everything) Manifest(context.Context) ([]driver.File, error) {
	return []driver.File{{Path: "train.py", Hash: "mine"}}, nil
}

func (everything) OpenHash(_ context.Context, hash string) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(hash)), nil
}

// A machine gets the code of its jobs, whatever else it asks for.
func TestAnAgentGetsOnlyTheCode(t *testing.T) {
	t.Parallel()
	c, err := codeOf(t.Context(), everything{})
	if err != nil {
		t.Fatal(err)
	}
	for hash, want := range map[string]string{"mine": "mine", c.hash: `[{"path":"train.py","mode":0,"size":0,"hash":"mine"}]`} {
		r, err := c.OpenHash(t.Context(), hash)
		if err != nil {
			t.Fatal(err)
		}
		if b, _ := io.ReadAll(r); string(b) != want {
			t.Errorf("%s holds %s, want %s", hash, b, want)
		}
	}
	if _, err := c.OpenHash(t.Context(), "another's"); fault.ReasonOf(err) != "ChannelBroken" {
		t.Errorf("the code of another job: %v", err)
	}
}
