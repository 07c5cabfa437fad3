// Package e2e holds the tests that need a real host: the lab in lab/, a VM with
// every runtime on it, with the exporter installed as a systemd service.
//
// They are built with the tag e2e and run by make e2e.
package e2e
