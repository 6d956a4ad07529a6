// Package e2e tests the whole as people use it: the shipped programs as real
// processes, real machines, a real browser. It has no code of its own.
package e2e
