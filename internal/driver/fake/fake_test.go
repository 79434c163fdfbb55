package fake_test

import (
	"testing"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/drivertest"
	"github.com/zaffre-ml/zaffre/internal/driver/fake"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// script is the part of the suite's commands that a fake performs.
func script(what string, args ...string) []string {
	switch what {
	case "exit":
		return append([]string{"exit"}, args...)
	case "print":
		return append([]string{"echo"}, args...)
	case "hang":
		return []string{"hang"}
	case "write":
		return append([]string{"write"}, args...)
	}
	return nil
}

func TestConformance(t *testing.T) {
	t.Parallel()
	drivertest.Run(t, func(*testing.T) drivertest.Harness {
		world := fake.NewWorld()
		target := func(id string, secrets map[string]string) driver.Target {
			return driver.Target{ID: id, Options: map[string]any{"slots": int64(4), "machine": "m"}, Secrets: secrets}
		}
		alias := target("other", nil)
		return drivertest.Harness{
			Kind: fake.Kind(world), Target: target("t", nil), Alias: &alias, Script: script,
			Restart: func(*testing.T) { world.Restart() },
			Refusals: []drivertest.Refusal{
				{Name: "password", Target: target("r", map[string]string{"password": "wrong"}), Check: "login", Code: fault.Unauthorized, Reason: "PasswordRefused"},
			},
			Definition: func(what string) *driver.Definition {
				return &driver.Definition{Pip: []string{what}}
			},
		}
	})
}
