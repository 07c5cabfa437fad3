# shellcheck shell=bash
# Sourced by the lab's scripts: where things are, and how the VM is started and reached.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
run=${WORKLOAD_LAB_RUN:-$here/run}
cache=${WORKLOAD_LAB_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/workload_exporter/lab}
# Another machine than the one whose memory is saved boots from power-on.
machine=${WORKLOAD_LAB_MACHINE:--accel tcg,thread=multi,tb-size=2048 -cpu max -smp 2 -m 8192}

say() { echo "lab: $*" >&2; }
die() { say "$*"; exit 1; }

# The image's name is the hash of all that goes into it.
image_dir() {
	local hash
	hash=$(cd "$here" && find packages build lib.sh image -type f -print0 |
		LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c1-16)
	echo "$cache/$hash"
}

vm_alive() {
	local pid
	pid=$(cat "$1/pid" 2>/dev/null) && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = qemu-system-x86 ]
}

free_port() {
	local port
	while port=$((20000 + RANDOM % 12000)); do
		(: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
	done
	echo "$port"
}

# vm_start IMAGE RUN QEMU-ARGUMENTS...: QEMU in the background; inside it, IMAGE is /mnt and RUN is /media.
#
# It is the QEMU of the image's own root: bookworm's 7.2 emulates -cpu max in a way that panics the guest, and only
# -cpu max has SVM, which makes KVM work inside. The binds live in a mount namespace that dies with QEMU.
vm_start() {
	local image=$1 run=$2
	shift 2
	mkdir -p "$run"
	rm -f "$run"/{pid,console.log,monitor.in,monitor.out}
	mkfifo "$run"/monitor.{in,out}
	cp "$image/id" "$run/id"
	for _ in 1 2 3 4 5; do # a port can be taken between the look and the use
		free_port >"$run/ssh_port"
		free_port >"$run/metrics_port"
		# shellcheck disable=SC2016,SC2086
		if unshare -m bash -euc '
			image=$1 run=$2; shift 2
			mount --rbind /dev "$image/root/dev"
			mount --bind /proc "$image/root/proc"
			mount --bind "$image" "$image/root/mnt"
			mount --bind "$run" "$image/root/media"
			exec chroot "$image/root" env -i PATH=/usr/bin TMPDIR=/media qemu-system-x86_64 "$@"
		' - "$image" "$run" \
			-name workload_exporter-lab -daemonize -pidfile /media/pid $machine \
			-display none -vga none -serial file:/media/console.log -monitor pipe:/media/monitor -no-reboot \
			-kernel /mnt/vmlinuz -initrd /mnt/initrd \
			-append "console=ttyS0 root=/dev/vda rw panic=-1 quiet mitigations=off psi=1" \
			-nic "user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:$(cat "$run/ssh_port")-:22,hostfwd=tcp:127.0.0.1:$(cat "$run/metrics_port")-:10075" \
			"$@"; then
			return
		fi
		say "QEMU did not start; once more"
	done
	return 1
}

# vm_ssh RUN [SSH-ARGUMENTS...] COMMAND...; the socket's path is relative, since a long one would not fit into sun_path.
vm_ssh() {
	local run=$1
	shift
	(cd "$run" && exec ssh -F none -q -i id -p "$(cat ssh_port)" -o ControlPath=ctl -o ConnectTimeout=10 -o ServerAliveInterval=15 \
		-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o IdentitiesOnly=yes root@127.0.0.1 "$@")
}

# vm_wait RUN SECONDS: until the system is up. A resumed one then learns what time it is, and one ssh connection stays
# open for all later commands; it is started here, detached, because one that a command starts by the way would hold
# that command's pipes open.
vm_wait() {
	local run=$1 deadline=$((SECONDS + $2)) state=
	while vm_alive "$run" && ((SECONDS < deadline)); do
		state=$(vm_ssh "$run" -o ControlPath=none 'systemctl is-system-running' </dev/null || true)
		case $state in
		running | degraded)
			vm_ssh "$run" -fNM </dev/null >/dev/null 2>&1
			vm_ssh "$run" "date -s @$(date +%s.%N)" </dev/null >/dev/null
			return
			;;
		esac
		sleep 0.5
	done
	vm_alive "$run" || state="QEMU has ended"
	say "not up after $2 s at most (state: ${state:-no answer to ssh}); console: $run/console.log"
	tail -n 5 "$run/console.log" >&2 || true
	return 1
}

# vm_stop RUN: nothing to save, so QEMU is told to go. The console's log stays.
vm_stop() {
	local run=$1 pid
	vm_ssh "$run" -O exit 2>/dev/null || true
	if vm_alive "$run"; then
		pid=$(cat "$run/pid")
		kill "$pid" 2>/dev/null || true
		vm_gone "$run" 20 || kill -9 "$pid" 2>/dev/null || true
	fi
	rm -f "$run"/{pid,id,ctl,ssh_port,metrics_port,monitor.in,monitor.out}
}

# vm_gone RUN SECONDS: waits for QEMU's end.
vm_gone() {
	local deadline=$((SECONDS + $2))
	while vm_alive "$1"; do
		((SECONDS < deadline)) || return 1
		sleep 0.2
	done
}
