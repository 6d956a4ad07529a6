//go:build !linux

package process

// killStrays does nothing here: other processes' environments cannot be read,
// so only the agent's own process group ends with it.
func killStrays(func(dir string) bool) {}
