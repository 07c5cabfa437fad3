package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// engine answers as no container engine should, until ctx ends.
func engine(ctx context.Context, what, socket string) error {
	var list func(w io.Writer)
	switch what {
	case "garbage":
		list = func(w io.Writer) { _, _ = io.WriteString(w, "<html>\xff\x00") }
	case "huge":
		list = func(w io.Writer) {
			_, _ = io.WriteString(w, `[{"Id":"`)
			chunk := strings.Repeat("x", 1<<20)
			for range 100 {
				if _, err := io.WriteString(w, chunk); err != nil {
					return
				}
			}
			_, _ = io.WriteString(w, `"}]`)
		}
	default:
		return fmt.Errorf("%s", usage)
	}
	l, err := new(net.ListenConfig).Listen(ctx, "unix", socket)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/_ping", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "OK") })
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { list(w) })
	s := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	context.AfterFunc(ctx, func() { _ = s.Close() })
	return s.Serve(l)
}
