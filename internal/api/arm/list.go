package arm

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/zaffre-ml/zaffre/internal/store"
)

// pageSize is what one answer holds where the client does not say.
const pageSize = 50

// page is an ARM list. nextLink is absent at the end: azureml-core follows null.
type page struct {
	Value    []any  `json:"value"`
	NextLink string `json:"nextLink,omitempty"`
}

// listed answers one page of records; what show makes nil is left out.
func listed[T any](r *http.Request, list func(store.Page) ([]T, string, error), show func(T) any) (page, error) {
	q := r.URL.Query()
	limit := pageSize
	if n, err := strconv.Atoi(q.Get("$top")); err == nil && n > 0 {
		limit = min(n, 1000)
	}
	cursor := q.Get("$skipToken")
	if cursor == "" {
		cursor = q.Get("$skip") // azure-ai-ml has the token under this name
	}
	items, next, err := list(store.Page{Limit: limit, Cursor: cursor})
	if err != nil {
		return page{}, err
	}
	out := page{Value: make([]any, 0, len(items))}
	for _, v := range items {
		if shown := show(v); shown != nil {
			out.Value = append(out.Value, shown)
		}
	}
	if next != "" {
		out.NextLink = follow(r, r.URL.EscapedPath(), url.Values{"$skipToken": {next}, "$top": {strconv.Itoa(limit)}})
	}
	return out, nil
}
