package libvirt

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

func agentXML(name, state string) string {
	return fmt.Sprintf(`<domain type='kvm' id='7'><name>vm</name><devices>
  <channel type='unix'><target type='virtio' name='%s' state='%s'/></channel>
  <channel type='spicevmc'><target type='virtio' name='com.redhat.spice.0' state='connected'/></channel></devices></domain>`, name, state)
}

func TestParseAgent(t *testing.T) {
	for text, want := range map[string]bool{
		agentXML("org.qemu.guest_agent.0", "connected"):    true,
		agentXML("org.qemu.guest_agent.0", "disconnected"): false,
		agentXML("com.example.0", "connected"):             false,
		"<domain/>":                                        false,
	} {
		if got, err := parseAgent(text); got != want || err != nil {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	if _, err := parseAgent("<domain><devices>"); err == nil {
		t.Error("XML that was cut is understood")
	}
}

func FuzzParseAgent(f *testing.F) {
	f.Add(agentXML("org.qemu.guest_agent.0", "connected"))
	f.Fuzz(func(_ *testing.T, text string) { _, _ = parseAgent(text) })
}

// TestFindsAgents has agents that connected while nobody listened: only those
// that are waited for are looked for, after each connection.
func TestFindsAgents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events []string
		up, down, other := machineNamed(1), machineNamed(2), machineNamed(3)
		up.xml, down.xml = agentXML("org.qemu.guest_agent.0", "connected"), agentXML("org.qemu.guest_agent.0", "disconnected")
		other.xml = up.xml
		asked := 0
		waited := map[string]bool{}
		f := newFake(up, down, other)
		r := start(t, f, func(c *Config) {
			c.OnEvent = func(e Event) { events = append(events, fmt.Sprint(e.Kind, " ", e.Name, " ", e.Detail)) }
			c.Booting = func(uuid string) bool { asked++; waited[uuid] = true; return len(waited) < 3 }
		})
		synctest.Wait()
		if diff := cmp.Diff([]string{"resynced  ", "agent_connected vm1 found"}, events); diff != "" || asked != 3 {
			t.Errorf("%d asked for; events (-want +got):\n%s", asked, diff)
		}
		r.stop()
	})
}
