// Package libvirt tells the Registry which machines run, from a libvirt daemon
// that may be absent, frozen, restarted, or have a stuck QEMU under it.
//
// Three things decide its shape. A monitor call (the VCPU, BALLOON and CPU_TOTAL
// statistics) waits for QEMU without any time limit, and a bulk call walks the
// domains one after the other: so the list of what runs comes from a call that
// never touches a monitor, and guest numbers are asked for in the background,
// one domain at a time, with a quarantine for those that do not answer. Even
// the list waits for a domain that is being started or ended, seconds on a busy
// host: only a daemon that does not answer for itself counts as frozen. The
// client library has no time limit on any call and none on its connecting or
// disconnecting: so there are two connections that can be cut, one for the list
// and the events, one for monitor calls, and a new client for each. An event
// that arrives together with the reply to its subscription is lost, and nothing
// is replayed after a reconnect: so events are subscribed to first and the list
// is fetched after, and an event does no more than have the list fetched again.
//
// The read-only socket serves for everything, as any user. The daemon at its
// other end is trusted as root is: frames are checked for their length, but
// what is in them is decoded as it comes.
package libvirt
