package main

import (
	"net/http"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"
)

func (w *workspaceSim) clusterRoutes() {
	w.route("GET /api/2.1/clusters/get", func(r *http.Request) (any, error) {
		in, err := query[compute.GetClusterRequest](r)
		if err != nil {
			return nil, err
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if c := w.clusters[in.ClusterId]; c != nil {
			return *c, nil
		}
		return nil, invalid("Cluster %s does not exist", in.ClusterId)
	})
	w.route("POST /api/2.1/clusters/start", func(r *http.Request) (any, error) {
		in, err := body[compute.StartCluster](r)
		if err != nil {
			return nil, err
		}
		return nil, w.change(in.ClusterId, compute.StateTerminated, compute.StatePending, compute.StateRunning)
	})
	w.route("POST /api/2.1/clusters/delete", func(r *http.Request) (any, error) {
		in, err := body[compute.DeleteCluster](r)
		if err != nil {
			return nil, err
		}
		return nil, w.change(in.ClusterId, compute.StateRunning, compute.StateTerminating, compute.StateTerminated)
	})
}

// change moves a cluster, first into the state on the way.
func (w *workspaceSim) change(id string, from, way, to compute.State) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.clusters[id]
	switch {
	case c == nil:
		return invalid("Cluster %s does not exist", id)
	case c.State == to:
		return nil
	case c.State != from:
		return &apiError{http.StatusBadRequest, "INVALID_STATE", "Cluster " + id + " is in unexpected state " + string(c.State) + "."}
	}
	c.State = way
	time.AfterFunc(50*time.Millisecond, func() { w.setCluster(id, to) })
	return nil
}

func (w *workspaceSim) addCluster(id string, state compute.State) {
	w.clusters[id] = &compute.ClusterDetails{ClusterId: id, ClusterName: "cluster " + id, State: state, SparkVersion: "15.4.x-scala2.12", NodeTypeId: "Standard_D3_v2"}
}

func (w *workspaceSim) hasCluster(id string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clusters[id] != nil
}

// setCluster puts a cluster into a state; "" deletes it for good. What ran there ends with it.
func (w *workspaceSim) setCluster(id string, state compute.State) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if state == "" {
		delete(w.clusters, id)
	} else if c := w.clusters[id]; c != nil {
		c.State = state
	} else {
		w.addCluster(id, state)
	}
	if state == compute.StateRunning || state == compute.StatePending {
		return
	}
	for _, x := range w.runs {
		if x.in.Tasks[0].ExistingClusterId == id {
			x.stop(errCluster)
		}
	}
}
