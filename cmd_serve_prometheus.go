package main

import (
	"fmt"

	"opsyard/engine"
	"opsyard/engine/prometheus"
)

// askPrometheus is the server that alarms can ask; nil when none is named.
func (f serveFlags) askPrometheus() (engine.Prometheus, error) {
	if f.Prometheus == "" {
		return nil, nil
	}
	c, err := prometheus.New(f.Prometheus)
	if err != nil {
		return nil, fmt.Errorf("--prometheus does not work: %w", err)
	}
	return c, nil
}
