package cgroupfs

import (
	"regexp"
	"strings"

	"github.com/workload-exporter/workload_exporter/workload"
)

// serviceRules are the services that the operator asks for. A user's manager is
// none: it holds services, and somebody else's containers.
func serviceRules(services *regexp.Regexp) []rule {
	if services == nil {
		return nil
	}
	return []rule{{
		kind: workload.KindService, runtime: "systemd",
		forms: []form{{in: managed, as: `(?P<id>.+)\.service`}},
		read: func(m *match) bool {
			m.class.ID = m.name
			return !strings.HasPrefix(m.name, "user@") && services.MatchString(m.name)
		},
	}}
}
