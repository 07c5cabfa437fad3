package cgroupfs

import (
	"strings"

	"github.com/workload-exporter/workload_exporter/workload"
)

const (
	// A static pod's uid is a hash without dashes.
	podUID   = `(?P<uid>[0-9a-f]{8}(?:[_-][0-9a-f]{4}){3}[_-][0-9a-f]{12}|[0-9a-f]{32})`
	podSlice = `(?:.+-)?kubepods(?:-besteffort|-burstable|-guaranteed)?-pod` + podUID + `\.slice`
)

// kubernetesRules are kubelet's groups: the pod is the workload.
func kubernetesRules() []rule {
	return []rule{{
		kind: workload.KindContainer, runtime: "kubernetes",
		forms: []form{
			{as: podSlice},
			{in: `.*/kubepods(?:/(?:besteffort|burstable|guaranteed))?`, as: `pod` + podUID},
			// kubelet wants systemd and the engine does not: each container of
			// the pod, its pause too, lies in a directory of its own, and the
			// pod's slice is empty. Added up, they are the pod.
			{as: podSlice + `:[a-z-]+:[0-9a-f]{64}`, shared: true},
		},
		read: func(m *match) bool {
			m.class.ID = strings.ReplaceAll(m.group("uid"), "_", "-")
			return true
		},
		child: kataInside,
	}}
}

// kataInside makes a machine of the pod that has a Kata sandbox in it.
func kataInside(name string, c *Class) {
	if strings.HasPrefix(name, "kata_") && name != "kata_" && name != "kata_overhead" {
		c.Kind, c.Runtime = workload.KindVM, "kata"
	}
}
