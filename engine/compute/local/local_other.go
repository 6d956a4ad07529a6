//go:build !linux

package local

import (
	"errors"

	"opsyard/engine/compute"
)

// Provider exists on Linux only.
type Provider struct{ compute.Provider }

// New says that Linux is needed.
func New(Config) (*Provider, error) {
	return nil, errors.New("local machines need Linux namespaces: run the server on Linux, or choose another provider")
}

// MaybeChild does nothing here.
func MaybeChild() {}
