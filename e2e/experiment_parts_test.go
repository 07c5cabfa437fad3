//go:build e2e && experiment

package e2e

import "fmt"

// containerPart is a busybox that waits, and ends when it is told to.
var containerPart = part{
	start: `docker run -d --name x$n bb:1 /bin/sh -c 'trap "exit 0" TERM; sleep 1000000 & wait' >/dev/null; sleep 1`,
	started: func(x *experiment, log watched) {
		x.t.Helper()
		var made, told float64
		ids := whose(log.docker, "start")
		x.many(len(ids), "started")
		for _, id := range ids {
			made += log.group(x.t, "/system.slice/docker-"+id+".scope").span(x.t, "mkdir", "populated")
			told += first(x.t, log.docker, id, "start", 0) - first(x.t, log.docker, id, "create", 0)
		}
		n := float64(len(ids))
		x.set("created", x.observed("create_to_started", `source!="engine"`, tally{}), made/n)
		x.set("told", x.observed("create_to_started", `source="engine"`, tally{}), told/n)
	},
	reboot: `docker restart -t 30 x$n >/dev/null`,
	rebooted: func(x *experiment, log watched) {
		x.t.Helper()
		var took float64
		ids := whose(log.docker, "restart")
		x.many(len(ids), "restarted")
		for _, id := range ids {
			// The end of one run and the beginning of the next.
			took += log.group(x.t, "/system.slice/docker-"+id+".scope").span(x.t, "empty", "populated")
		}
		x.set("reboot", x.observed("reboot", "", tally{}), took/float64(len(ids)))
	},
	stop: `docker stop -t 60 x$n >/dev/null`,
	stopped: func(x *experiment, log watched, before tally) {
		x.t.Helper()
		var took float64
		ids := whose(log.docker, "stop")
		x.many(len(ids), "stopped")
		for _, id := range ids {
			took += log.group(x.t, "/system.slice/docker-"+id+".scope").wall(x.t, "empty") - first(x.t, log.docker, id, "kill", 0)
		}
		x.set("stop", x.observed("stop", "", before), took/float64(len(ids)))
	},
	clean: `docker rm -f $(docker ps -aq) >/dev/null`,
	image: `docker image inspect -f '{{.Size}}' bb:1`,
}

// byAgent has the agent of a machine run a command, which may be its last: no answer then.
func byAgent(command string) string {
	return fmt.Sprintf(`timeout 20 virsh -q -c qemu:///system qemu-agent-command x$n '{"execute":"guest-exec","arguments":{"path":"/bin/sh","arg":["-c","sleep 0.5; %s"]}}' >/dev/null || true`, command)
}

// heard waits until virsh has told once more of something.
func heard(what, do string) string {
	count := fmt.Sprintf(`grep -c "domain 'x$n': %s" /run/lab/experiment/events || true`, what)
	return fmt.Sprintf(`was=$(%[1]s); %[2]s
		for try in $(seq 900); do [ "$(%[1]s)" -le "$was" ] || exit 0; sleep 0.2; done; echo "x$n: no %[3]s" >&2; exit 1`, count, do, what)
}

const (
	agentUp = `state: .connected. reason: .channel event.`
	images  = "/var/lib/libvirt/images"
)

// vmPart is a machine with the lab's kernel, the same busybox and a guest agent,
// which says when it is up. Its disk's image holds what it boots.
var vmPart = part{
	start: `cd ` + images + ` && if [ ! -e x.qcow2 ]; then
			mkdir -p /run/lab/tree/boot && cp -a /srv/bb/. /run/lab/tree && cp /srv/guest/vmlinuz /srv/guest/initrd /run/lab/tree/boot &&
			truncate -s 64M x.raw && mke2fs -q -t ext4 -d /run/lab/tree x.raw && qemu-img convert -O qcow2 x.raw x.qcow2 && rm x.raw || exit 1
		fi
		qemu-img create -q -f qcow2 -b x.qcow2 -F qcow2 x$n.qcow2
		cat >/run/lab/experiment/x$n.xml <<X
<domain type='kvm'><name>x$n</name><memory unit='MiB'>160</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type><kernel>/srv/guest/vmlinuz</kernel><initrd>/srv/guest/initrd</initrd><cmdline>console=ttyS0 quiet mitigations=off</cmdline></os>
<features><acpi/></features><cpu mode='host-passthrough'/><devices>
<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='` + images + `/x$n.qcow2'/><target dev='vda' bus='virtio'/></disk>
<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
</devices></domain>
X
		` + heard(agentUp, "virsh -q -c qemu:///system create /run/lab/experiment/x$n.xml"),
	started: func(x *experiment, log watched) {
		x.t.Helper()
		var made, up float64
		names := whose(log.virsh, "lifecycle Started")
		x.many(len(names), "started")
		for _, name := range names {
			started := first(x.t, log.virsh, name, "lifecycle Started", 0)
			made += started - log.group(x.t, log.machineGroup(x.t, name)).wall(x.t, "mkdir")
			up += first(x.t, log.virsh, name, "agent-lifecycle state: 'connected'", started) - started
		}
		n := float64(len(names))
		x.set("created", x.observed("create_to_started", "", tally{}), made/n)
		x.set("up", x.observed("start_to_guest_up", "", tally{}), up/n)
	},
	reboot: heard(agentUp, byAgent("reboot -f")),
	rebooted: func(x *experiment, log watched) {
		x.t.Helper()
		var took float64
		names := whose(log.virsh, "reboot")
		x.many(len(names), "rebooted")
		for _, name := range names {
			reset := first(x.t, log.virsh, name, "reboot", 0)
			took += first(x.t, log.virsh, name, "agent-lifecycle state: 'connected'", reset) - reset
		}
		x.set("reboot", x.observed("reboot", "", tally{}), took/float64(len(names)))
	},
	stop: heard("Stopped", byAgent("poweroff -f")),
	stopped: func(x *experiment, log watched, before tally) {
		x.t.Helper()
		var took float64
		names := whose(log.virsh, "lifecycle Stopped")
		x.many(len(names), "stopped")
		for _, name := range names {
			took += first(x.t, log.virsh, name, "lifecycle Stopped", 0) - first(x.t, log.virsh, name, "lifecycle Shutdown", 0)
		}
		x.set("stop", x.observed("stop", "", before), took/float64(len(names)))
	},
	clean: "rm -rf " + images + "/x*.qcow2 /run/lab/tree",
	image: `cd ` + images + ` && du --block-size=1 x.qcow2 x1.qcow2 | awk '{ n += $1 } END { printf "%.0f", n }'`,
}

// many fails unless the stopwatch has seen as many as were asked to.
func (x *experiment) many(have int, what string) {
	x.t.Helper()
	if have != x.turns {
		x.t.Fatalf("%d %ss %s by the stopwatch, want %d", have, x.kind, what, x.turns)
	}
}
