package runtimes

import (
	"bytes"
	"encoding/hex"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/godbus/dbus/v5"
)

// fakeSystemd serves units on a bus of its own.
type fakeSystemd struct {
	t    *testing.T
	path string

	mu    sync.Mutex
	units map[string]map[string]any
	asks  int
	conns []net.Conn
	// silent has it take connections, and say nothing; deny has it refuse.
	silent, deny bool
	// hang keeps every answer back while it is locked.
	hang sync.RWMutex
}

func startSystemd(t *testing.T, path string) *fakeSystemd {
	t.Helper()
	f := &fakeSystemd{t: t, path: path, units: map[string]map[string]any{}}
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { f.serve(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		f.drop()
		serving.Wait()
	})
	return f
}

// greeting is what a bus says until the client begins.
const greeting = "REJECTED EXTERNAL\r\nOK 0123\r\n"

func (f *fakeSystemd) serve(c net.Conn) {
	f.mu.Lock()
	f.conns = append(f.conns, c)
	silent := f.silent
	f.mu.Unlock()
	if silent {
		return
	}
	_, _ = io.WriteString(c, greeting)
	var said []byte
	for one := make([]byte, 1); !bytes.HasSuffix(said, []byte("BEGIN\r\n")); said = append(said, one...) {
		if _, err := c.Read(one); err != nil {
			return
		}
	}
	conn, err := dbus.NewConn(&greeted{Conn: c, greeting: strings.NewReader(greeting)})
	if err != nil {
		f.t.Error(err)
		return
	}
	_ = conn.Export(fakeDaemon{}, "/org/freedesktop/DBus", "org.freedesktop.DBus")
	_ = conn.Export(fakeManager{f}, managerPath, managerInterface)
	_ = conn.ExportSubtree(fakeProperties{f}, managerPath, "org.freedesktop.DBus.Properties")
	if err := conn.Auth([]dbus.Auth{dbus.AuthExternal("0")}); err != nil {
		f.t.Error(err)
	}
}

// drop ends all connections.
func (f *fakeSystemd) drop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.conns {
		_ = c.Close()
	}
	f.conns = nil
}

func (f *fakeSystemd) set(unit, property string, value any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.units[unit] == nil {
		f.units[unit] = map[string]any{}
	}
	f.units[unit][property] = value
}

// greeted is a connection whose greeting is over, for a library that is a client
// on either side.
type greeted struct {
	net.Conn
	greeting *strings.Reader
	began    bool
}

func (g *greeted) Read(b []byte) (int, error) {
	if g.greeting.Len() > 0 {
		return g.greeting.Read(b)
	}
	return g.Conn.Read(b)
}

func (g *greeted) Write(b []byte) (int, error) {
	if g.began {
		return g.Conn.Write(b)
	}
	g.began = bytes.Contains(b, []byte("BEGIN"))
	return len(b), nil
}

type fakeDaemon struct{}

func (fakeDaemon) Hello() (string, *dbus.Error) { return ":1.1", nil }

type fakeManager struct{ f *fakeSystemd }

func (m fakeManager) GetUnit(name string) (dbus.ObjectPath, *dbus.Error) {
	m.f.hang.RLock()
	defer m.f.hang.RUnlock()
	m.f.mu.Lock()
	defer m.f.mu.Unlock()
	m.f.asks++
	if m.f.units[name] == nil {
		return "", dbus.NewError(systemdName+".NoSuchUnit", []any{"Unit " + name + " not loaded."})
	}
	return dbus.ObjectPath(managerPath + "/unit/" + hex.EncodeToString([]byte(name))), nil
}

type fakeProperties struct{ f *fakeSystemd }

func (p fakeProperties) Get(msg dbus.Message, _, property string) (dbus.Variant, *dbus.Error) {
	p.f.hang.RLock()
	defer p.f.hang.RUnlock()
	p.f.mu.Lock()
	defer p.f.mu.Unlock()
	if p.f.deny {
		return dbus.Variant{}, dbus.NewError("org.freedesktop.DBus.Error.AccessDenied", nil)
	}
	if property == "Version" {
		return dbus.MakeVariant("257"), nil
	}
	path, _ := msg.Headers[dbus.FieldPath].Value().(dbus.ObjectPath)
	for name, unit := range p.f.units {
		if dbus.ObjectPath(managerPath+"/unit/"+hex.EncodeToString([]byte(name))) == path {
			if v, ok := unit[property]; ok {
				return dbus.MakeVariant(v), nil
			}
			return dbus.Variant{}, dbus.NewError("org.freedesktop.DBus.Error.UnknownProperty", nil)
		}
	}
	return dbus.Variant{}, dbus.NewError("org.freedesktop.DBus.Error.UnknownObject", nil)
}
