package libvirt

import (
	"encoding/xml"
	"fmt"
	"strings"

	"github.com/digitalocean/go-libvirt"
)

// foundAgent is the Detail of an agent that connected before anybody listened.
const foundAgent = "found"

// findAgents tells of those agents that connected while nobody listened, of the
// machines that somebody waits for. It waits for as long as the daemon takes.
func (s *Source) findAgents(c *conn, domains []domain) {
	for i := range domains {
		d := &domains[i]
		if !s.cfg.Booting(d.uuid) {
			continue
		}
		text, err := wait(c, procXML, func(l *libvirt.Libvirt) (string, error) { return l.DomainGetXMLDesc(d.handle, 0) })
		if err != nil {
			s.cfg.Logger.Debug("Cannot see whether an agent is connected", "uuid", d.uuid, "err", err)
			continue
		}
		if connected, err := parseAgent(text); err == nil && connected {
			s.heard(newEvent(d.handle, EventAgentConnected, foundAgent))
		}
	}
}

// parseAgent says whether a domain's XML has an agent that is connected.
func parseAgent(text string) (bool, error) {
	var domain struct {
		Targets []struct {
			Name  string `xml:"name,attr"`
			State string `xml:"state,attr"`
		} `xml:"devices>channel>target"`
	}
	if err := xml.Unmarshal([]byte(text), &domain); err != nil {
		return false, fmt.Errorf("domain XML: %w", err)
	}
	for _, t := range domain.Targets {
		if strings.HasPrefix(t.Name, "org.qemu.guest_agent.") && t.State == "connected" {
			return true, nil
		}
	}
	return false, nil
}
