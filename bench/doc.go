// Package bench measures the whole system, joined as the program joins it,
// against plain baselines in the same run. README.md says what the figures mean.
package bench
