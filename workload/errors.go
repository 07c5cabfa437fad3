package workload

import "errors"

// ErrGone says that a workload ended: between listing and reading, or while
// being read. It is left out, and nobody is told of an error.
var ErrGone = errors.New("workload is gone")
