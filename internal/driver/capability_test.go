package driver_test

import (
	"context"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/all"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// One Conn type may have every capability: this does not compile if two of them share a method
// name with different signatures (Host.Dial and a Deployer.Dial did).
type _ interface {
	driver.Host
	driver.Runner
	driver.Watcher
	driver.LogReader
	driver.Outputs
	driver.EnvBuilder
	driver.Cleaner
	driver.Provisioner
	driver.Shell
	driver.Identifier
	driver.Sessions
}

// bare is a connection without any capability, listing one with some.
type (
	bare    struct{ driver.Conn }
	listing struct {
		bare
		driver.Cleaner
	}
)

func (listing) Observe(context.Context) (driver.Observation, error) { return driver.Observation{}, nil }
func (listing) Close() error                                        { return nil }

func TestCapabilitiesComeFromTheType(t *testing.T) {
	t.Parallel()
	k := driver.Kind{Prototype: (*listing)(nil)}
	if !driver.Can[driver.Cleaner](k) {
		t.Error("a kind whose connection has Clean cannot clean")
	}
	if driver.Can[driver.Runner](k) {
		t.Error("a kind whose connection lacks Start can run jobs")
	}
	if _, err := driver.As[driver.Cleaner](&listing{}); err != nil {
		t.Errorf("As = %v, want the capability that Can promised", err)
	}
	_, err := driver.As[driver.Runner](&bare{})
	if fault.CodeOf(err) != fault.Unsupported || fault.ReasonOf(err) != "CapabilityMissing" {
		t.Errorf("As without the capability = %v, want CapabilityMissing", err)
	}
}

// TestKinds: everything that shows or reads a kind derives from its description.
func TestKinds(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, k := range all.Kinds() {
		if k.Name == "" || k.Summary == "" || k.Document == nil || k.Connect == nil || k.Prototype == nil {
			t.Errorf("kind %+v lacks a part", k)
		}
		if names[k.Name] {
			t.Errorf("two kinds are named %q", k.Name)
		}
		names[k.Name] = true
		for _, o := range k.Options {
			if o.Required && o.Default != nil {
				t.Errorf("option %s of kind %s is required and has a default", o.Path, k.Name)
			}
			if o.Default != nil && !typed(o.Type, o.Default) {
				t.Errorf("the default %v of option %s of kind %s is no %s", o.Default, o.Path, k.Name, o.Type)
			}
		}
	}
}

// typed reports whether v has the Go type that a target carries for an option type.
func typed(t driver.OptionType, v any) bool {
	switch t {
	case driver.String, driver.TargetRef:
		_, ok := v.(string)
		return ok
	case driver.Int:
		_, ok := v.(int64)
		return ok
	case driver.Bool:
		_, ok := v.(bool)
		return ok
	}
	return true
}
