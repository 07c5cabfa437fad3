// Package runtimes asks those who run workloads what only they know: names,
// images, health. Each of its files is one runtime, and each is optional.
package runtimes
