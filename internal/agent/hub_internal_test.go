package agent

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestHubBegins: an agent that starts while others are told something hears of it from then on.
func TestHubBegins(t *testing.T) {
	t.Parallel()
	root, end := t.TempDir(), make(chan struct{})
	if err := os.Mkdir(filepath.Join(root, wakeDir), 0o700); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		go func() {
			for {
				select {
				case <-end:
					return
				default:
					tell(root, "job")
				}
			}
		}()
	}
	defer close(end)
	for range 300 {
		h, err := newHub(root)
		if err != nil {
			t.Fatal(err)
		}
		told, stop := h.subscribe("job", 1)
		select {
		case <-told:
		case <-time.After(time.Minute):
			t.Fatal("it hears nothing")
		}
		stop()
		h.close()
	}
}
