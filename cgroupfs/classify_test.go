package cgroupfs

import (
	"encoding/csv"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/workload-exporter/workload_exporter/workload"
)

func TestClassifyPaths(t *testing.T) {
	rows := testRows(t)
	c := NewClassifier(nil)
	for _, row := range rows[1:] {
		got := strings.Split(c.Line(row[0]), "\t")
		for i, want := range row[1:6] {
			if want != "*" && got[i+1] != want {
				t.Errorf("%s: %s is %q, want %q", row[0], rows[0][i+1], got[i+1], want)
			}
		}
	}
}

func testRows(t testing.TB) [][]string {
	t.Helper()
	f, err := os.Open("testdata/cgroup-paths.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 209 {
		t.Fatalf("%d rows, want a header and 208", len(rows))
	}
	return rows
}

// expand puts real ids in the place of what would make the tables unreadable:
// 64 hex, the 12 that are shown of them, a uuid, the same as systemd needs it,
// 32 hex, and BuildKit's 25.
func expand(s string) string {
	return strings.NewReplacer(
		"{H}", "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb",
		"{I}", "2e7d2c03a9507ae265ecf5b5356885a53393a2029d241394997265a1a25aefc6",
		"{h}", "ca978112ca1b", "{i}", "2e7d2c03a950",
		"{U}", "f64551fc-d6f0-4823-ab87-971cfb914464",
		"{V}", "f64551fc_d6f0_4823_ab87_971cfb914464",
		"{X}", "3e61c214bc3ed9ff81e21474dd6cba17",
		"{B}", "4eybtjll3nssopjtio9f2x10r",
	).Replace(s)
}

// TestClassifyWorkloads has kind, runtime, id and name, and how many components
// lie below the top.
func TestClassifyWorkloads(t *testing.T) {
	c := NewClassifier(nil)
	user := "/user.slice/user-1000.slice/user@1000.service"
	for _, tt := range []struct {
		path, want string
		below      int
	}{
		// Docker and its kin.
		{"/system.slice/docker-{H}.scope/init/x/y", "container docker {h} {h}", 3},
		{user + "/user.slice/docker-{H}.scope", "container docker {h} {h}", 0},
		{user + "/docker/{H}", "container docker {h} {h}", 0},
		{"/nomad.slice/share.slice/docker-{H}.scope", "container docker {h} {h}", 0},
		{"/moby/{H}", "container docker {h} {h}", 0},
		{"/system.slice/system.slice:docker:{H}", "container docker {h} {h}", 0},
		{"/:docker:{H}/a", "container docker {h} {h}", 1},
		{"/podruntime/docker/docker/{H}", "container docker {h} {h}", 0},
		{"/actions_job/{H}", "container unknown {h} {h}", 0},
		{"/docker/{H}/docker/{I}", "container docker {h} {h}", 2},
		{"/docker/{H}/kubepods/burstable/pod{U}/{I}", "container docker {h} {h}", 4},
		{"/docker/{H}/lxc.payload.c1", "container docker {h} {h}", 1},
		{"/system.slice/docker-{B}.scope", "container buildkit {B} {B}", 0},
		{"/system.slice/system.slice:docker:{B}", "container buildkit {B} {B}", 0},
		{"/ci/buildkit/{B}/x", "container buildkit {B} {B}", 1},
		{"/docker/{H}/buildkit/{B}", "container docker {h} {h}", 2},
		// Podman.
		{"/machine.slice/libpod-{H}.scope/container/init.scope", "container podman {h} {h}", 2},
		{"/system.slice/web.service/libpod-payload-{H}", "container podman {h} {h}", 0},
		{"/system.slice/web.service/libpod-payload-{H}/x", "container podman {h} {h}", 1},
		{user + `/app.slice/web.service/libpod-payload-{H}`, "container podman {h} {h}", 0},
		{`/system.slice/system-ceph\x2d1.slice/ceph-1@osd.0.service/libpod-payload-{H}`, "container podman {h} {h}", 0},
		{"/machine.slice/machine-libpod_pod_{H}.slice/libpod-{I}.scope/container", "container podman {h} {h}", 2},
		{"/ci.slice/ci-batch.slice/ci-batch-libpod_pod_{H}.slice", "container podman {h} {h}", 0},
		{user + "/user.slice/user-libpod_pod_{H}.slice/libpod-conmon-{I}.scope", "container podman {h} {h}", 1},
		{"/libpod_parent/{H}/{I}", "container podman {h} {h}", 1},
		{"/libpod_parent/{H}/libpod-{I}", "container podman {h} {h}", 1},
		{"/custom/libpod-{H}/container", "container podman {h} {h}", 1},
		{"/machine.slice/machine.slice:libpod:{H}", "container podman {h} {h}", 0},
		// containerd, CRI-O.
		{"/default/c1/sub", "container containerd c1 c1", 1},
		{"/k8s.io/redis", "container containerd redis redis", 0},
		{"/default/my.web_1-a", "container containerd my.web_1-a my.web_1-a", 0},
		{"/system.slice/cri-containerd-{H}.scope", "container containerd {h} {h}", 0},
		{"/system.slice/containerd.service/system.slice:nerdctl:{H}", "container containerd {h} {h}", 0},
		{"/myns/{H}", "container unknown {h} {h}", 0},
		{"/system.slice/crio-{H}.scope/container", "container cri-o {h} {h}", 1},
		{"/crio/crio-{H}", "container cri-o {h} {h}", 0},
		{"/system.slice/system.slice:crio:{H}", "container cri-o {h} {h}", 0},
		// Kubernetes.
		{"/kubepods.slice/kubepods-pod{V}.slice", "container kubernetes {U} {U}", 0},
		{"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{V}.slice/crio-conmon-{H}.scope", "container kubernetes {U} {U}", 1},
		{"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{X}.slice/crio-{H}", "container kubernetes {X} {X}", 1},
		{"/kubepods/pod{X}/{H}", "container kubernetes {X} {X}", 1},
		{"/kubelet/kubepods/burstable/pod{U}", "container kubernetes {U} {U}", 0},
		{"/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{V}.slice", "container kubernetes {U} {U}", 0},
		{"/a.slice/a-b.slice/a-b-kubepods.slice/a-b-kubepods-pod{V}.slice/libpod-{H}.scope", "container kubernetes {U} {U}", 1},
		{"/system.slice/kubepods-burstable-pod{V}.slice:cri-containerd:{H}", "container kubernetes {U} {U}", 0},
		{"/system.slice/containerd.service/kubepods-pod{X}.slice:cri-containerd:{H}/x", "container kubernetes {X} {X}", 1},
		{"/kubepods-besteffort-pod{V}.slice:crio:{H}", "container kubernetes {U} {U}", 0},
		{"/kubepods/pod{U}/{H}/kubepods/pod{X}", "container kubernetes {U} {U}", 3},
		{"/kubepods/pod{U}/kata_overhead", "container kubernetes {U} {U}", 1},
		// Kata.
		{"/kubepods/burstable/pod{U}/kata_{H}", "vm kata {U} {U}", 1},
		{"/kubepods/burstable/pod{U}/kata_{H}/x/y", "vm kata {U} {U}", 3},
		{"/vc/kata_{H}", "vm kata {h} {h}", 0},
		{"/vc/kata_box-1/x", "vm kata box-1 box-1", 1},
		{"/default/kata_redis", "vm kata redis redis", 0},
		{"/docker/kata_{H}", "vm kata {h} {h}", 0},
		// LXC and what is built on it.
		{"/lxc.payload.a-b.c_d", "container lxc a-b.c_d a-b.c_d", 0},
		{"/lxc.payload.web.service", "container lxc web.service web.service", 0},
		{"/lxc.payload.two words", "container lxc two words two words", 0},
		{"/lxc.payload/web/init.scope", "container lxc web web", 1},
		{user + "/app.slice/lxc-un1-0.scope/lxc.payload.un1", "container lxc un1 un1", 0},
		{"/user.slice/user-1000.slice/session-3.scope/lxc/c1/x", "container lxc c1 c1", 1},
		{"/lxc/lxc.payload.web", "container lxc web web", 0},
		{"/lxc.payload.c1/lxc.payload.nested", "container lxc c1 c1", 1},
		{"/lxc.payload.c1/lxc.monitor.nested", "container lxc c1 c1", 1},
		{"/lxc.payload.c1/machine.slice/machine-qemu\\x2d1\\x2dvm.scope", "container lxc c1 c1", 2},
		{"/lxc/_x", "container lxc _x _x", 0},
		{"/lxc/100/ns", "container lxc 100 100", 1},
		// systemd's machines.
		{`/machine.slice/systemd-nspawn@web\x2d1.service`, "container nspawn web-1 web-1", 0},
		{"/machine.slice/systemd-nspawn@web-1.service/supervisor", "container nspawn web-1 web-1", 1},
		{"/lab.slice/systemd-nspawn@a.service/payload/system.slice/x.service", "container nspawn a a", 3},
		{`/machine.slice/machine-web\x2d1.scope`, "container nspawn web-1 web-1", 0},
		{`/machine.slice/machine-web-1.scope`, "container nspawn web-1 web-1", 0},
		{`/machine.slice/machine-\xff.scope`, `container nspawn \xff \xff`, 0},
		{`/machine.slice/machine-a\x2.scope`, `container nspawn a\x2 a\x2`, 0},
		{`/machine.slice/machine-a\x0ab.scope`, `container nspawn a\x0ab a\x0ab`, 0},
		{"/machine.slice/shell-r.scope/payload", "container nspawn shell-r shell-r", 1},
		{"/machine.slice/_cpu.scope", "container nspawn cpu cpu", 0},
		{user + "/machine.slice/machine-u.scope", "container nspawn u u", 0},
		{"/system.slice/box.service/payload", "container nspawn box box", 1},
		{"/system.slice/box.service/payload/system.slice/nginx.service", "container nspawn box box", 3},
		{"/a.slice/a-b.slice/box@1.service/payload", "container nspawn box@1 box@1", 1},
		{`/system.slice/my\x2dbox.service/payload`, "container nspawn my-box my-box", 1},
		{user + "/app.slice/box.service/payload", "container nspawn box box", 1},
		{"/lab.slice/box.scope/payload", "container nspawn box box", 1},
		{`/machine.slice/systemd-vmspawn@v\x2d1.service/x`, "vm vmspawn v-1 v-1", 1},
		// libvirt.
		{`/machine.slice/machine-qemu\x2d3\x2da\x2d7\x2db.scope/libvirt/vcpu0`, "vm libvirt a-7-b a-7-b", 2},
		{`/machine.slice/machine-qemu\x2d3.scope`, "vm libvirt qemu-3 qemu-3", 0},
		{`/machine.slice/machine-qemu\x2dinstance\x2d00000001.scope`, "vm libvirt instance-00000001 instance-00000001", 0},
		{`/machine.slice/machine-qemu\x2dweb\x2d1.scope/vcpu0`, "vm libvirt web-1 web-1", 1},
		{`/machine.slice/machine-qemu\x2ddemo.scope`, "vm libvirt demo demo", 0},
		{`/machine.slice/machine-qemu-5-demo.scope`, "vm libvirt demo demo", 0},
		{`/machine.slice/machine-eng\x2ddept-lxc\x2ddemo.scope`, "container libvirt-lxc demo demo", 0},
		{`/machine.slice/machine-ch\x2d2\x2dcloud.scope`, "vm libvirt cloud cloud", 0},
		{`/machine.slice/machine-ch\x2dcloud.scope`, "container nspawn ch-cloud ch-cloud", 0},
		{`/machine.slice/machine-qemu\x2dembed\x2d0991f456\x2d12\x2da\x2db.scope`, "vm libvirt a-b a-b", 0},
		{"/machine/t1.libvirt-qemu/emulator", "vm libvirt t1 t1", 1},
		{"/machine/prod.partition/qemu-8-a-b.libvirt-qemu", "vm libvirt a-b a-b", 0},
		{"/machine/qemu-alice-8-a.libvirt-qemu", "vm libvirt a a", 0},
		{"/machine/ch-8-a.libvirt-ch", "vm libvirt a a", 0},
		{"/machine/qemu-3.libvirt-qemu", "vm libvirt qemu-3 qemu-3", 0},
		{"/machine/__x.libvirt-qemu", "vm libvirt _x _x", 0},
		{"/kubepods/pod{U}/{H}/machine/qemu-1-a.libvirt-qemu", "container kubernetes {U} {U}", 3},
		// Other machines.
		{"/qemu.slice/123456789.scope/x", "vm proxmox 123456789 123456789", 1},
		{"/firecracker/anonymous-instance/x", "vm firecracker anonymous-instance anonymous-instance", 1},
		{"/firecracker-v1.7.0-x86_64/{U}", "vm firecracker {U} {U}", 0},
		{"/vms/firecracker/{U}", "vm firecracker {U} {U}", 0},
		{"/firecracker/{H}", "vm firecracker {H} {H}", 0},
		{"/system.slice/system-firecracker.slice/firecracker@web.service", "vm firecracker web web", 0},
		{"/system.slice/cloud-hypervisor@web.service/x", "vm cloud-hypervisor web web", 1},
		// Platforms.
		{"/nomad.slice/reserve.slice/{U}.web-1.a.scope/x", "container nomad {U}.web-1.a web-1.a", 1},
		{"/nomad.slice/{U}.web.scope", "container nomad {U}.web web", 0},
		{"/custom.slice/share.slice/{U}.web.scope", "container nomad {U}.web web", 0},
		{"/ecstasks.slice/ecstasks-{X}.slice/docker-{H}.scope", "container ecs {X} {X}", 1},
		{"/ecs/{X}/{X}-1234567890", "container ecs {X} {X}", 1},
		{"/ecs/cluster/{X}/{H}", "container ecs {X} {X}", 1},
		{"/ecs/{U}/{H}/x", "container ecs {U} {U}", 2},
		{"/mesos/{U}/leaf", "container mesos {U} {U}", 1},
		{"/garden/web", "container garden web web", 0},
		{"/garden/{U}/init", "container garden {U} {U}", 1},
		{"/garden/good/{U}/init", "container garden {U} {U}", 1},
		{"/system.slice/garden.service/garden/bad/h1", "container garden h1 h1", 0},
		{"/bpm-nats", "container bpm nats nats", 0},
		{"/system.slice/runc-bpm-nats.scope/x", "container bpm nats nats", 1},
		{"/system.slice/bpm-nats.tls.scope", "container bpm nats.tls nats.tls", 0},
		{"/apptainer/4242", "container apptainer 4242 4242", 0},
		{user + "/user.slice/user.slice:apptainer:4242", "container apptainer 4242 4242", 0},
		{user + "/user.slice/singularity-7.scope/x", "container apptainer 7 7", 1},
		// Alone.
		{"/system.slice/crun-{H}.scope", "container crun {h} {h}", 0},
		{"/system.slice/runc-my_box.1.scope/x", "container runc my_box.1 my_box.1", 1},
		{"/system.slice/runsc-sandbox.scope", "container runsc sandbox sandbox", 0},
		{"/system.slice/{H}.scope", "container unknown {h} {h}", 0},
		{"/{H}/{I}", "container unknown {h} {h}", 1},
		{"/system.slice/slurmstepd.scope/job_1/step_0/user/task_0/{H}", "container unknown {h} {h}", 0},
		// Untidy paths.
		{"system.slice/docker-{H}.scope", "container docker {h} {h}", 0},
		{"//system.slice///docker-{H}.scope//init/", "container docker {h} {h}", 1},
		{"/system.slice/./docker-{H}.scope", "container docker {h} {h}", 0},
		{"/system.slice/docker-{H}.scope (deleted)", "container docker {h} {h}", 0},
		{"/system.slice/docker-{H}.scope/init.scope (deleted)", "container docker {h} {h}", 1},
		{"/system.slice/_docker-{H}.scope", "container docker {h} {h}", 0},
	} {
		path, want := expand(tt.path), expand(tt.want)
		checkInvariants(t, c, path)
		k, ok := c.Classify(path)
		if !ok {
			t.Errorf("%s: none, want %s", path, want)
			continue
		}
		id := k.ID
		if id == "" {
			id = k.Name
		}
		if got := strings.Join([]string{string(k.Kind), k.Runtime, id, k.Name}, " "); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
		top, _ := cleanPath(path)
		for range tt.below {
			top = top[:strings.LastIndexByte(top, '/')]
		}
		if k.Top != top {
			t.Errorf("%s: top is %s, want %s", path, k.Top, top)
		}
	}
}

func TestClassifyNone(t *testing.T) {
	user := "/user.slice/user-1000.slice/user@1000.service"
	c := NewClassifier(nil)
	for _, path := range []string{
		"", "/", "//", ".", "/.", "/..", " (deleted)", "/ (deleted)", "-", "\n", "\xff", "/\x00",
		"/../system.slice/docker-{H}.scope", "/../../docker/{H}", "/docker/../docker/{H}", "../{H}",
		// Not 64, not hex, not whole.
		"/system.slice/docker-{H}a.scope", "/system.slice/docker-{h}.scope", "/docker/{h}", "/docker/web",
		"/system.slice/docker-CA978112CA1BBDCAFAC231B39A23DC4DA786EFF8147C4E72B9807785AFEE48BB.scope",
		"/docker/ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bg",
		"/x-{H}", "/{H}-x", "/{H}\n", "/docker-{H}.scope\n", "/system.slice/xdocker-{H}.scope",
		"/machine.slice/libpod-{h}.scope", "/machine.slice/libpod-{H}0.scope", "/machine.slice/libpod-{H}.slice",
		"/system.slice/docker-{H}.service", "/system.slice/docker-{H}.slice", "/system.slice/docker-{H}.mount", "/docker-{H}",
		"/system.slice/system.slice:docker:{h}", "/docker:{H}", "/system.slice/system.slice:other:{H}",
		// Units that hold nobody.
		"/system.slice/{H}.mount", "/system.slice/{H}.timer", "/system.slice/{H}.service", "/system.slice/{H}-5f.timer",
		"/system.slice/{H}-1f3a9c77e2b04d11.service", user + "/{H}-42.service", "/system.slice/{H}.slice",
		`/system.slice/var-lib-docker-containers-{H}-mounts-shm.mount`,
		"/system.slice/run-netns-cni\\x2d{U}.mount", "/default/x.mount", "/lxc/x.mount", "/default/x.service",
		"/system.slice/docker.service/x", "/system.slice/snap.docker.dockerd.service", "/system.slice/crio.service",
		"/system.slice/firecracker.service/x", "/system.slice/firecracker@.service", "/system.slice/cloud-hypervisor@.service",
		"/system.slice/cloud-hypervisor-api.service", "/system.slice/systemd-nspawn@.service", "/machine.slice/machine-.scope",
		"/system.slice/systemd-machined.service", "/system.slice/virtqemud.service", "/system.slice/kata-monitor.service",
		// Monitors and what is below them.
		"/system.slice/crio-conmon-{H}.scope", "/crio-conmon-{H}", "/machine.slice/libpod-conmon-{H}.scope/{I}",
		"/lxc.monitor.c1", "/lxc.monitor.c1/{H}", "/lxc.monitor/101/x", "/lxc/lxc.monitor.c1", "/lxc.monitor", "/lxc.pivot",
		"/lxc/lxc.pivot", "/lxc/.hidden", "/lxc.payload", "/lxc.payload.", "/_lxc.payload.c1",
		"/kata_overhead/{H}/x", "/kata.slice/kata-overhead.slice", "/kata.slice/kata-overhead.slice/runtime-rs-{H}.scope",
		"/kata_", "/kata_config", "/vc", "/system.slice/web.service/runtime", "/libpod_parent", "/libpod_parent/conmon",
		// A placeholder of CRI-O, and nearly pods.
		"/system.slice/crio-{H}", "/kubepods", "/kubepods/guaranteed", "/pod{U}", "/other/pod{U}", "/kubepods/pod{h}",
		"/kubepods/burstable/pod{U}x", "/kubepods/burstable/x/pod{V}x", "/kubepods.slice/kubepods-pod{h}.slice",
		"/kubepods.slice/kubepods-burstable-pod{V}.scope", "/kubepods.slice/xkubepods-pod{V}.slice", "/kubepods-pod{V}.slice:cri-containerd:{h}",
		"/kubepods/x/pod{X}", "/kubepods/pod", "/kubepods.slice/kubepods-pod.slice",
		// Sessions and terminals.
		user + "/app.slice/vte-spawn-{U}.scope", user + "/app.slice/app-org.gnome.Terminal.slice/vte-spawn-{U}.scope",
		user + "/app.slice/{U}.scope", user + "/app.slice/{U}.web.scope", "/user.slice/user-1000.slice/session-c2.scope/payload",
		user + "/payload", user + "/init.scope/payload", user + "/app.slice/app-flatpak-org.x-12.scope", "/init.scope/payload",
		user + "/user.slice/podman-pause-0f82efaa.scope", "/machine.slice/podman-42.scope", "/machine.slice/run-r1f.scope",
		// Schedulers.
		"/system.slice/slurmstepd.scope/system", "/system.slice/slurmstepd.scope/job_12/step_batch/slurm", "/slurm/uid_0/job_1",
		"/nomad.slice/share.slice", "/nomad.slice/share.slice/web.scope", "/nomad.slice/share.slice/{U}.scope",
		"/ecs", "/ecs/{h}", "/ecs/my-cluster", "/ecstasks.slice/ecstasks-.slice", "/mesos/agent", "/mesos/agent/leaf", "/mesos/web",
		"/garden/good", "/garden/bad", "/garden", "/bpm", "/bpm-", "/system.slice/bpm-x.service",
		"/qemu.slice/99.scope", "/qemu.slice/0100.scope", "/qemu.slice/100.service", "/system.slice/100.scope", "/qemu.slice/a.scope",
		"/docker/buildkit", "/buildkit/{h}", "/{B}", "/system.slice/docker-{B}0.scope",
		"/apptainer/web", "/system.slice/apptainer-x.scope", "/system.slice/apptainer-.scope",
		"/firecracker", "/firecracker/under_score", "/vms/firecracker/api", "/{U}", "/system.slice/{U}.service",
		"/default/_x", "/default/x ", "/default/x\ny", "/k8s.io", "/sub/default/x", "/payload", "/a/payload", "/a.slice/payload",
		"/a.service/b/payload", "/lab.slice/machine-web.service", "/machine/x.libvirt-foo", "/machine/.libvirt-qemu",
		"/machine/prod.partition", "/machine", "/machine.slice/machine-a.slice/x.scope",
		strings.Repeat("/a", 5000), strings.Repeat("a", 1<<16), strings.Repeat("/", 1<<16),
	} {
		checkInvariants(t, c, expand(path))
		if k, ok := c.Classify(expand(path)); ok {
			t.Errorf("%.200q: %+v, want none", expand(path), k)
		}
	}
}

func TestClassifyDetails(t *testing.T) {
	c := NewClassifier(nil)
	for _, tt := range []struct {
		path, full, unit string
		domain           workload.Domain
		shared           bool
	}{
		{path: "/docker/{H}", full: "{H}"},
		{path: "/system.slice/docker-{H}.scope/x", full: "{H}", unit: "docker-{H}.scope"},
		{path: "/libpod_parent/{H}/conmon", full: "{H}"},
		{path: "/kubepods.slice/kubepods-pod{V}.slice/crio-{H}.scope", unit: "kubepods-pod{V}.slice"},
		{path: "/kubepods/pod{U}"},
		{path: "/kubepods-pod{V}.slice:cri-containerd:{H}", shared: true},
		{path: "/garden/good/h", shared: true},
		{path: "/garden/bad/h", shared: true},
		{path: "/garden/h"},
		{path: "/lxc.payload.a.service"},
		{path: "/system.slice/box.service/payload/x", unit: "box.service"},
		{path: "/machine.slice/_cpu.scope", unit: "cpu.scope"},
		{path: `/machine.slice/machine-a\x2db.scope`, unit: `machine-a\x2db.scope`},
		{
			path: `/machine.slice/machine-qemu\x2d7\x2db.scope/libvirt`, unit: `machine-qemu\x2d7\x2db.scope`,
			domain: workload.Domain{Driver: "qemu", ID: 7},
		},
		{
			path: `/machine.slice/machine-qemu\x2dbob\x2d7\x2db.scope`, unit: `machine-qemu\x2dbob\x2d7\x2db.scope`,
			domain: workload.Domain{Driver: "qemu", ID: 7, Private: true},
		},
		{
			path: `/machine.slice/machine-qemu\x2dembed\x2d0991f456\x2d7\x2db.scope`, unit: `machine-qemu\x2dembed\x2d0991f456\x2d7\x2db.scope`,
			domain: workload.Domain{Driver: "qemu", ID: 7, Private: true},
		},
		{path: "/machine/qemu-9-b.libvirt-qemu", domain: workload.Domain{Driver: "qemu", ID: 9}},
		{path: "/machine/b.libvirt-qemu", domain: workload.Domain{Driver: "qemu"}},
		{path: "/machine/lxc-99-b.libvirt-lxc", domain: workload.Domain{Driver: "lxc", ID: 99}},
		{path: "/machine/qemu-99999999999999999999-b.libvirt-qemu", domain: workload.Domain{Driver: "qemu"}},
	} {
		k, ok := c.Classify(expand(tt.path))
		if !ok || k.FullID != expand(tt.full) || k.Unit != expand(tt.unit) || k.Domain != tt.domain || k.Shared != tt.shared {
			t.Errorf("%s: %t %+v, want %+v", tt.path, ok, k, tt)
		}
	}
}

func TestClassifyServices(t *testing.T) {
	c := NewClassifier(regexp.MustCompile(`^(?:.*)$`))
	user := "/user.slice/user-1000.slice/user@1000.service"
	for _, tt := range []struct{ path, want string }{
		{"/system.slice/nginx.service", "service systemd nginx.service nginx.service /system.slice/nginx.service"},
		{"/system.slice/nginx.service/x", "service systemd nginx.service nginx.service /system.slice/nginx.service"},
		{"/system.slice/_cpu.service", "service systemd cpu.service cpu.service /system.slice/_cpu.service"},
		{`/a.slice/my\x2da@1.service`, `service systemd my\x2da@1.service my\x2da@1.service /a.slice/my\x2da@1.service`},
		{user + "/app.slice/db.service", "service systemd db.service db.service " + user + "/app.slice/db.service"},
		{"/system.slice/box.service/payload", "service systemd box.service box.service /system.slice/box.service"},
		{"/machine.slice/systemd-nspawn@a.service", "container nspawn a a /machine.slice/systemd-nspawn@a.service"},
		{"/lxc.payload.a/system.slice/nginx.service", "container lxc a a /lxc.payload.a"},
		{user, "- - - - -"},
		{user + "/init.scope", "- - - - -"},
		{"/x/nginx.service", "- - - - -"},
		{"/system.slice/nginx.socket", "- - - - -"},
	} {
		if got := strings.Fields(c.Line(tt.path)); strings.Join(got[1:], " ") != tt.want {
			t.Errorf("%s: %q, want %s", tt.path, got[1:], tt.want)
		}
	}
	some := NewClassifier(regexp.MustCompile(`^(?:nginx\.service)$`))
	if _, ok := some.Classify("/system.slice/nginx2.service"); ok {
		t.Error("a service that nobody asked for")
	}
}

func TestClassifierMonitors(t *testing.T) {
	c := NewClassifier(nil)
	for _, tt := range []struct {
		path string
		want workload.Owner
	}{
		{"/machine.slice/libpod-conmon-{H}.scope", workload.Owner{FullID: "{H}"}},
		{"/system.slice/crio-conmon-{H}.scope", workload.Owner{FullID: "{H}"}},
		{"/kata_overhead/{H}", workload.Owner{FullID: "{H}"}},
		{"/kata.slice/kata-overhead.slice/runtime-rs-{H}.scope", workload.Owner{FullID: "{H}"}},
		{"/kata-overhead.slice:runtime-rs:{H}", workload.Owner{FullID: "{H}"}},
		{"/lxc.monitor.c1", workload.Owner{Cgroup: "/lxc.payload.c1"}},
		{"/grp/a/lxc.monitor.c1-1", workload.Owner{Cgroup: "/grp/a/lxc.payload.c1-1"}},
		{"/lxc.monitor/101", workload.Owner{Cgroup: "/lxc/101"}},
		{"/system.slice/crio-conmon-{h}.scope", workload.Owner{}},
		{"/machine.slice/libpod-conmon-{H}.scope/x", workload.Owner{}},
		{"/machine.slice/machine-libpod_pod_{I}.slice/libpod-conmon-{H}.scope", workload.Owner{}},
		{"/docker/{H}/lxc.monitor.c1", workload.Owner{}},
		{"/lxc.monitor/101/x", workload.Owner{}},
		{"/lxc.monitor", workload.Owner{}},
		{"/kata_overhead", workload.Owner{}},
		{"/system.slice/web.service/runtime", workload.Owner{}},
		{"/docker/{H}", workload.Owner{}},
		{"/", workload.Owner{}},
		{"", workload.Owner{}},
	} {
		got, ok := c.Monitors(expand(tt.path))
		tt.want.FullID = expand(tt.want.FullID)
		if got != tt.want || ok != (tt.want != workload.Owner{}) {
			t.Errorf("%s: %+v %t, want %+v", tt.path, got, ok, tt.want)
		}
	}
}

func TestClassifierInner(t *testing.T) {
	c := NewClassifier(nil)
	for _, path := range []string{
		"/p/docker-{H}.scope", "/p/cri-containerd-{H}.scope", "/p/crio-{H}.scope", "/p/libpod-{H}.scope", "/p/{H}.scope",
		"/p/{H}", "/{H}", "/p/kata_{H}", "/p/crio-{H}", "/p/libpod-payload-{H}", "/kubepods-pod{V}.slice:cri-containerd:{H}",
		"/kubepods/pod{U}/{I}/docker/{H}",
	} {
		if got, ok := c.Inner(expand(path)); !ok || got != expand("{H}") {
			t.Errorf("%s: %q %t", path, got, ok)
		}
	}
	for _, path := range []string{
		"", "/", "/{H}/container", "/p/crio-conmon-{H}.scope", "/p/libpod-conmon-{H}.scope", "/p.slice/crio-{H}",
		"/p/{h}", "/p/{H}0", "/p/{H}.mount", "/p/x-{H}", "/p/docker-{H}", "/kubepods/pod{U}",
	} {
		if got, ok := c.Inner(expand(path)); ok {
			t.Errorf("%s: %q, want none", path, got)
		}
	}
}

func TestClassifierLine(t *testing.T) {
	c := NewClassifier(nil)
	for path, want := range map[string]string{
		"/lxc.payload.a\tb\nc": `/lxc.payload.a\tb\nc` + "\tcontainer\tlxc\t" + `a\tb\nc` + "\t" + `a\tb\nc` + "\t" + `/lxc.payload.a\tb\nc`,
		"/x\xff\u2028\x1b[0m":  `/x\xff\u2028\x1b[0m` + "\t-\t-\t-\t-\t-",
		`/machine.slice/machine-qemu\x2d1\x2da.scope`: `/machine.slice/machine-qemu\x2d1\x2da.scope` +
			"\tvm\tlibvirt\ta\ta\t" + `/machine.slice/machine-qemu\x2d1\x2da.scope`,
		"": "\t-\t-\t-\t-\t-",
	} {
		if got := c.Line(path); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func BenchmarkClassify(b *testing.B) {
	c := NewClassifier(nil)
	for name, path := range map[string]string{
		"docker":  "/system.slice/docker-{H}.scope",
		"pod":     "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{V}.slice/crio-{H}.scope/container",
		"libvirt": `/machine.slice/machine-qemu\x2d1\x2dvm1.scope/libvirt/vcpu0`,
		"none":    "/user.slice/user-1000.slice/user@1000.service/app.slice/dbus.service",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			path := expand(path)
			for b.Loop() {
				c.Classify(path)
			}
		})
	}
}
