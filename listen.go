package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/mdlayher/vsock"
	"github.com/prometheus/exporter-toolkit/web"
)

// listen opens all listeners, so that a port in use is known before anything
// else is started. exporter-toolkit would open them itself, and then not let go
// of them: it has no graceful stop.
func listen(ctx context.Context, flags *web.FlagConfig) ([]net.Listener, error) {
	if *flags.WebSystemdSocket {
		listeners, err := activation.Listeners()
		if err == nil && len(listeners) == 0 {
			err = errors.New("no socket was passed by systemd")
		}
		return listeners, err
	}
	var listeners []net.Listener
	for _, address := range *flags.WebListenAddresses {
		l, err := listenOn(ctx, address)
		if err != nil {
			for _, l := range listeners {
				_ = l.Close()
			}
			return nil, err
		}
		listeners = append(listeners, l)
	}
	return listeners, nil
}

// listenOn takes host:port, or vsock://:port to be reached from a guest or by the host of one.
func listenOn(ctx context.Context, address string) (net.Listener, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "vsock" {
		return new(net.ListenConfig).Listen(ctx, "tcp", address)
	}
	port, err := strconv.ParseUint(u.Port(), 10, 32)
	if err != nil {
		return nil, fmt.Errorf("listen %s: %w", address, err)
	}
	return vsock.Listen(uint32(port), nil)
}
