package sqlstore

import (
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/environment"
	"github.com/zaffre-ml/zaffre/internal/store"
)

type buildStatusRow struct {
	State    driver.BuildState `json:"state,omitempty"`
	Runtime  runtimeRow        `json:"runtime,omitzero"`
	Way      string            `json:"way,omitempty"`
	Python   string            `json:"python,omitempty"`
	Warnings []string          `json:"warnings,omitempty"`
	Reason   string            `json:"reason,omitempty"`
	Message  string            `json:"message,omitempty"`
	Fix      string            `json:"fix,omitempty"`
}

func encodeBuild(b environment.Build) buildRow {
	key := ""
	if b.TargetKey != (store.Key{}) {
		key = b.TargetKey.String()
	}
	s := b.Status
	return buildRow{
		Digest: b.Digest, Target: b.Target, TargetKey: key, Definition: encodeDefinition(b.Definition),
		Status: buildStatusRow{
			s.State, runtimeRow(s.Runtime), s.Way, s.Python, s.Warnings, s.Reason, s.Message, s.Fix,
		},
		Handed: b.Handed, Started: toMicros(b.Started), Ended: toMicros(b.Ended),
	}
}

func (r buildRow) decode() environment.Build {
	s := r.Status
	return environment.Build{
		Digest: r.Digest, Target: r.Target, TargetKey: store.ParseKey(r.TargetKey), Definition: r.Definition.decode(),
		Status: driver.BuildStatus{
			State: s.State, Runtime: driver.Runtime(s.Runtime), Way: s.Way, Python: s.Python,
			Warnings: s.Warnings, Reason: s.Reason, Message: s.Message, Fix: s.Fix,
		},
		Handed: r.Handed, Started: r.Started.time(), Ended: r.Ended.time(),
	}
}
