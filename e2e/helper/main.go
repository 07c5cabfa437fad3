// Command helper does in the lab what nothing that is installed there does.
package main

import (
	"context"
	"fmt"
	"os"
	"time"
)

const usage = `usage: helper pods up|down|list       two pods, as a kubelet asks containerd for them
       helper engine garbage|huge SOCKET   a container engine that answers with that
       helper cost NUMBER...               what the exporter takes at so many live workloads`

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:gocritic // What is left to cancel ends with the process.
	}
}

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) == 2 && args[0] == "pods":
		return pods(ctx, args[1])
	case len(args) == 3 && args[0] == "engine":
		return engine(ctx, args[1], args[2])
	case len(args) > 1 && args[0] == "cost":
		return cost(ctx, args[1:])
	}
	return fmt.Errorf("%s", usage)
}
