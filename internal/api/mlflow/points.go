package mlflow

import (
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/metric"
)

// logToModels adds points to the logged models that clients of MLflow 3 name with them; the name "" is
// none.
func (a *api) logToModels(c call, points map[string][]metric.Point) error {
	for id, batch := range points {
		if id == "" {
			continue
		}
		l, err := a.Models.GetLogged(c.Context(), a.key(c, id))
		if fault.CodeOf(err) == fault.NotFound {
			continue // the run has them; MLflow does not look either
		}
		if err != nil {
			return err
		}
		if err := a.Metrics.Append(c.Context(), metric.Key{Workspace: c.ws, Run: l.ID}, batch); err != nil {
			return err
		}
	}
	return nil
}
