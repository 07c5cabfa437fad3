package runtimes

import (
	"context"
	"errors"
	"io"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// maxAnswer is how long one answer may be: what kubelet takes.
const maxAnswer = 16 << 20

// calls speaks gRPC over a connection that is there already, and over no other.
func calls(conn net.Conn) (*grpc.ClientConn, error) {
	once := make(chan net.Conn, 1)
	once <- conn
	return grpc.NewClient("passthrough:///runtime",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswer)),
		grpc.WithDisableServiceConfig(), grpc.WithDisableRetry(),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) {
			select {
			case c := <-once:
				return c, nil
			default:
				return nil, io.ErrClosedPipe
			}
		}))
}

// unimplemented says that the daemon has no such service: containerd can be
// built or configured without CRI.
func unimplemented(err error) bool {
	return status.Code(err) == codes.Unimplemented
}

// ended says that a stream is at its end, and not broken.
func ended(err error) bool { return errors.Is(err, io.EOF) }
