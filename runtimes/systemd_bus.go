package runtimes

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
)

const (
	// busTimeout is how long one answer may take.
	busTimeout = 5 * time.Second

	systemdName      = "org.freedesktop.systemd1"
	managerPath      = "/org/freedesktop/systemd1"
	managerInterface = systemdName + ".Manager"
	anyInterface     = systemdName + ".Unit"
	serviceInterface = systemdName + ".Service"
)

// errNoUnit: systemd has no unit of that name.
var errNoUnit = errors.New("no such unit")

// bus is a connection to the system bus, by which systemd is asked. It asks for
// what every user may read, and subscribes to nothing.
type bus struct{ conn *dbus.Conn }

// dialBus connects. The library's own dialing waits for ever for a bus that takes
// connections and says nothing.
func dialBus(ctx context.Context, socket string, timeout time.Duration) (*bus, error) {
	dialer := net.Dialer{Timeout: timeout}
	c, err := dialer.DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", socket, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	_ = c.SetDeadline(time.Now().Add(timeout))
	conn, err := dbus.NewConn(c)
	if err == nil {
		err = conn.Auth([]dbus.Auth{dbus.AuthExternal(strconv.Itoa(os.Geteuid()))})
		if err == nil {
			err = conn.Hello()
		}
		if err != nil {
			_ = conn.Close()
		}
	}
	if err != nil {
		_ = c.Close()
		return nil, fmt.Errorf("%s: %w", socket, err)
	}
	_ = c.SetDeadline(time.Time{})
	return &bus{conn: conn}, nil
}

func (b *bus) close() { _ = b.conn.Close() }

// call asks one thing of systemd, within a bound.
func (b *bus) call(ctx context.Context, timeout time.Duration, path dbus.ObjectPath, method string, into any, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err := b.conn.Object(systemdName, path).CallWithContext(ctx, method, dbus.FlagNoAutoStart, args...).Store(into)
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	return nil
}

// ping asks whether systemd is there.
func (b *bus) ping(ctx context.Context, timeout time.Duration) error {
	var version dbus.Variant
	return b.call(ctx, timeout, managerPath, "org.freedesktop.DBus.Properties.Get", &version, managerInterface, "Version")
}

// unitInterface is that of a unit's own kind; empty for one that has no processes.
func unitInterface(name string) string {
	i := strings.LastIndexByte(name, '.')
	switch name[i+1:] {
	case "service":
		return serviceInterface
	case "scope":
		return systemdName + ".Scope"
	case "slice":
		return systemdName + ".Slice"
	}
	return ""
}

// unit asks for a unit that is loaded: asking for an object by a path of our own
// making would have systemd load it.
func (b *bus) unit(ctx context.Context, name string, timeout time.Duration) (unitState, error) {
	kind := unitInterface(name)
	if kind == "" {
		return unitState{}, errNoUnit
	}
	var path dbus.ObjectPath
	if err := b.call(ctx, timeout, managerPath, managerInterface+".GetUnit", &path, name); err != nil {
		return unitState{}, gone(err)
	}
	p := properties{bus: b, ctx: ctx, timeout: timeout, path: path}
	u := unitState{
		controlGroup: get[string](&p, kind, "ControlGroup"),
		active:       get[string](&p, anyInterface, "ActiveState"),
		inactiveExit: p.stamp(anyInterface, "InactiveExitTimestamp"),
	}
	if kind == serviceInterface {
		u.typ = get[string](&p, kind, "Type")
		u.restarts = get[uint32](&p, kind, "NRestarts")
		u.mainStart = p.stamp(kind, "ExecMainStartTimestamp")
	}
	if u.notifies() {
		u.activeEnter = p.stamp(anyInterface, "ActiveEnterTimestamp")
	}
	return u, gone(p.err)
}

// unitEnd asks how a service has ended that may just be ending.
func (b *bus) unitEnd(ctx context.Context, name string, timeout time.Duration) (unitEnd, error) {
	var path dbus.ObjectPath
	if err := b.call(ctx, timeout, managerPath, managerInterface+".GetUnit", &path, name); err != nil {
		return unitEnd{}, gone(err)
	}
	p := properties{bus: b, ctx: ctx, timeout: timeout, path: path}
	u := unitEnd{
		activeExit: p.stamp(anyInterface, "ActiveExitTimestamp"),
		mainStart:  p.stamp(serviceInterface, "ExecMainStartTimestamp"),
		mainExit:   p.stamp(serviceInterface, "ExecMainExitTimestamp"),
		result:     get[string](&p, serviceInterface, "Result"),
	}
	return u, gone(p.err)
}

// gone tells the error of a unit that is not there, or not any more, or of an
// older systemd, from that of a bus that does not serve us.
func gone(err error) error {
	if e, ok := errors.AsType[dbus.Error](err); ok {
		switch e.Name {
		case systemdName + ".NoSuchUnit", "org.freedesktop.DBus.Error.UnknownObject",
			"org.freedesktop.DBus.Error.UnknownInterface", "org.freedesktop.DBus.Error.UnknownProperty":
			return fmt.Errorf("%w: %w", errNoUnit, err)
		}
	}
	return err
}

// properties reads those of one unit, until one cannot be read.
type properties struct {
	bus     *bus
	ctx     context.Context
	timeout time.Duration
	path    dbus.ObjectPath
	err     error
}

func get[T any](p *properties, iface, name string) T {
	var v dbus.Variant
	var value T
	if p.err == nil {
		p.err = p.bus.call(p.ctx, p.timeout, p.path, "org.freedesktop.DBus.Properties.Get", &v, iface, name)
	}
	if p.err == nil {
		var ok bool
		if value, ok = v.Value().(T); !ok {
			p.err = fmt.Errorf("%w: %s.%s: unexpected type %s", errNoUnit, iface, name, v.Signature())
		}
	}
	return value
}

func (p *properties) stamp(iface, name string) stamp {
	return stamp{mono: get[uint64](p, iface, name+"Monotonic"), real: get[uint64](p, iface, name)}
}
