package model

import (
	"context"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/object"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// Folder lists one level of the files of the version that a reference means.
func (s *Service) Folder(ctx context.Context, k store.Key, ref, dir string, p store.Page) ([]object.Entry, string, error) {
	v, err := s.GetVersion(ctx, k, ref)
	if err != nil {
		return nil, "", err
	}
	return s.Files.Folder(ctx, v.ID, strings.Trim(dir, "/"), p)
}
