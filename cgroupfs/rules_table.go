package cgroupfs

import (
	"regexp"
	"slices"
)

// rules lists one rule a runtime, in the order in which they are tried on each
// component: what is no workload first, the exact before the general, a group
// that only its id tells last.
func rules(services *regexp.Regexp) []rule {
	return slices.Concat(
		monitorRules(),
		kubernetesRules(),
		engineRules(),
		machineRules(),
		machinedRules(),
		lxcRules(),
		platformRules(),
		standaloneRules(),
		serviceRules(services),
	)
}
