package imagetest

import (
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/image"
	"github.com/zaffre-ml/zaffre/internal/object"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// Age has all of a repository be older than it is.
func (l *Lab) Age(t testing.TB, workspace, repository string, by time.Duration) {
	t.Helper()
	list, _, err := l.Manifests.List(t.Context(), image.Filter{Workspace: workspace, Repository: repository}, store.Page{})
	for _, m := range list {
		if err == nil {
			_, err = l.Manifests.Update(t.Context(), m.Key(), func(m *image.Manifest) ([]store.Effect, error) {
				m.Used = m.Used.Add(-by)
				return nil, nil
			})
		}
	}
	for _, f := range l.files(t, workspace, repository) {
		if err == nil {
			_, err = l.db.Artifacts().Update(t.Context(), f.Key(), func(f *object.File) ([]store.Effect, error) {
				f.Created = f.Created.Add(-by)
				return nil, nil
			})
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Blobs counts the blobs of a repository.
func (l *Lab) Blobs(t testing.TB, workspace, repository string) int {
	t.Helper()
	return len(l.files(t, workspace, repository))
}

func (l *Lab) files(t testing.TB, workspace, repository string) []object.File {
	t.Helper()
	files, _, err := l.Files.List(t.Context(), "image/"+workspace+"/"+repository, "", store.Page{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
