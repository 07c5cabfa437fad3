// Notifier is an init that is ready after a while: it says so on $NOTIFY_SOCKET
// and then does nothing.
package main

import (
	"log"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

func main() {
	after, err := time.ParseDuration(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	time.Sleep(after)
	if sent, err := daemon.SdNotify(false, daemon.SdNotifyReady); !sent || err != nil {
		log.Fatal("not notified: ", err)
	}
	time.Sleep(time.Hour)
}
