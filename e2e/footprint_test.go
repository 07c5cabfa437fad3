//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"
)

// near says whether two sizes are the same within one in a hundred.
func near(got, want float64) bool { return math.Abs(got-want) <= want/100 }

// sizes is of what a test compares.
type sizes struct {
	scrape
	t *testing.T
}

// is compares a metric with what a tool says.
func (s sizes) is(metric string, who labels, want float64) {
	s.t.Helper()
	got, ok := s.value(s.t, metric, who)
	if !ok || !near(got, want) {
		s.t.Errorf("%s%v is %.0f (%v), and the tool says %.0f", metric, who, got, ok, want)
		return
	}
	s.t.Logf("%s%v is %.0f, and the tool says %.0f", metric, who, got, want)
}

func and(who labels, k, v string) labels {
	l := labels{k: v}
	maps.Copy(l, who)
	return l
}

// image is is for both kinds of sharing.
func (s sizes) image(who labels, unique, shared float64) {
	s.t.Helper()
	s.is("workload_image_bytes", and(who, "sharing", "unique"), unique)
	s.is("workload_image_bytes", and(who, "sharing", "shared"), shared)
}

func decoded[T any](t *testing.T, text string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}

func du(t *testing.T, path string) float64 {
	t.Helper()
	n, err := strconv.ParseFloat(strings.Fields(inLab(t, "du -sx --block-size=1 %s", path))[0], 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// engineSizes is GET /system/df, which is what docker system df shows.
type engineSizes struct {
	Containers []struct {
		ID     string
		SizeRw float64
	}
	Images []struct {
		Size       float64
		Containers int
	}
}

// imageInfo is qemu-img info of one file.
type imageInfo struct {
	Virtual float64 `json:"virtual-size"`
	Actual  float64 `json:"actual-size"`
}

const footprintPod = "22222222-3333-4444-5555-666666666666"

var footprintContainer = strings.Repeat("cd", 32)

const footprintVMs = `cd /var/lib/libvirt/images && qemu-img create -q -f qcow2 base.qcow2 64M && qemu-io -c 'write -P 7 0 10M' base.qcow2 &&
	for i in 1 2; do
		qemu-img create -q -f qcow2 -b base.qcow2 -F qcow2 d$i.qcow2 80M && qemu-io -c "write -P 8 20M ${i}M" d$i.qcow2 &&
		cat >/run/lab/fp$i.xml <<-X &&
			<domain type='qemu'><name>fp$i</name><memory unit='MiB'>64</memory><vcpu>1</vcpu><os><type arch='x86_64' machine='q35'>hvm</type></os><devices>
			<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/var/lib/libvirt/images/d$i.qcow2'/><target dev='vda' bus='virtio'/></disk>
			</devices></domain>
		X
		virsh -q create /run/lab/fp$i.xml || exit 1
	done`

// TestFootprint holds images and disks against what the runtimes' own tools say,
// first as anybody, then with the sockets and CAP_DAC_READ_SEARCH.
func TestFootprint(t *testing.T) {
	inLab(t, "%s", "("+footprintVMs+") >/dev/null")
	defer inLab(t, "virsh -q destroy fp1; virsh -q destroy fp2; cd /var/lib/libvirt/images && rm -f base.qcow2 d1.qcow2 d2.qcow2")
	inLab(t, `docker exec web /bin/sh -c 'head -c 3000000 /dev/zero >/big' && podman exec pweb /bin/sh -c 'head -c 2000000 /dev/zero >/big' &&
		podman exec pp-app /bin/sh -c 'head -c 1000000 /dev/zero >/big' && ctr tasks exec --exec-id w ctr1 /bin/sh -c 'head -c 500000 /dev/zero >/big' && sync`)
	defer inLab(t, `docker exec web /bin/rm /big; podman exec pweb /bin/rm /big; podman exec pp-app /bin/rm /big; ctr tasks exec --exec-id r ctr1 /bin/rm /big`)
	// As the CRI has it, the container's id is the one in its cgroup.
	inLab(t, `ctr run -d --runc-systemd-cgroup --cgroup kubepods-besteffort-pod%s.slice:cri-containerd:%s docker.io/library/bb:1 %s /bin/sh -c 'head -c 700000 /dev/zero >/big; exec /bin/sleep 100000'`,
		strings.ReplaceAll(footprintPod, "-", "_"), footprintContainer, footprintContainer)
	defer inLab(t, "ctr tasks delete -f %[1]s; ctr containers delete %[1]s", footprintContainer)
	vm := func(name string) labels { return labels{"runtime": "libvirt", "name": name} }

	inLab(t, "systemctl restart workload_exporter")
	s := sizes{t: t}
	eventually(t, "what anybody may see", 3*time.Minute, func() bool {
		s.scrape = takeScrape(t)
		seen := 0
		for _, who := range []labels{vm("fp1"), vm("fp2"), {"name": "nsp1"}} {
			seen += len(s.series("workload_footprint_updated_timestamp_seconds", who))
		}
		return seen == 3
	})
	s.machines(vm)
	s.image(labels{"runtime": "nspawn", "name": "nsp1"}, du(t, "/srv/bb"), 0)
	for _, runtime := range []string{"docker", "podman", "containerd"} {
		if n := len(s.series("workload_image_bytes", labels{"runtime": runtime})); n > 0 {
			t.Errorf("%s: %d series for somebody who may see none of it", runtime, n)
		}
	}
	if v := s.must(t, "workload_scrape_collector_success", labels{"collector": "footprint"}); v != 1 {
		t.Error("what is forbidden is a failure")
	}

	inLab(t, `systemctl start podman.socket && chmod 711 /run/podman && chmod 666 /run/podman/podman.sock
		mkdir -p /run/systemd/system/workload_exporter.service.d
		printf '[Service]\nSupplementaryGroups=docker incus-admin\nAmbientCapabilities=CAP_DAC_READ_SEARCH\nCapabilityBoundingSet=CAP_DAC_READ_SEARCH\n' \
			>/run/systemd/system/workload_exporter.service.d/footprint.conf
		systemctl daemon-reload && systemctl restart workload_exporter`)
	defer inLab(t, `rm -r /run/systemd/system/workload_exporter.service.d && systemctl daemon-reload && systemctl restart workload_exporter
		systemctl stop podman.socket podman.service`)
	eventually(t, "everything", 3*time.Minute, func() bool {
		s.scrape = takeScrape(t)
		for _, runtime := range []string{"docker", "podman", "containerd", "incus", "lxc", "nspawn", "libvirt"} {
			who := labels{"runtime": runtime}
			if len(s.series("workload_footprint_updated_timestamp_seconds", who)) < len(s.series("workload_info", who)) {
				return false
			}
		}
		return len(s.series("workload_footprint_updated_timestamp_seconds", labels{"id": footprintPod})) == 1
	})
	s.machines(vm)
	s.docker()
	s.podman()
	s.containerd()
	s.image(labels{"runtime": "nspawn", "name": "nsp2"}, du(t, "/var/lib/machines/nsp2"), 0)
	s.image(labels{"runtime": "lxc"}, du(t, "/var/lib/lxc/lx1/rootfs"), 0)
	s.image(labels{"runtime": "incus", "name": "c1"}, du(t, "/var/lib/incus/storage-pools/default/containers/c1"), 0)
	s.is("workload_host_image_bytes", labels{"runtime": "nspawn", "sharing": "unique"}, du(t, "/srv/bb")+du(t, "/var/lib/machines/nsp2"))

	// Nothing is walked at a scrape: the date stays.
	updated := s.must(t, "workload_footprint_updated_timestamp_seconds", labels{"runtime": "lxc"})
	if again := takeScrape(t).must(t, "workload_footprint_updated_timestamp_seconds", labels{"runtime": "lxc"}); again != updated {
		t.Errorf("looked at again: %f, was %f", again, updated)
	}
	// A newcomer is looked at soon.
	id := strings.TrimSpace(inLab(t, "docker run -d bb:1 /bin/sleep 1000"))[:12]
	defer inLab(t, "docker rm -f %s", id)
	eventually(t, "a newcomer", 2*time.Minute, func() bool {
		_, ok := takeScrape(t).value(t, "workload_image_bytes", labels{"id": id, "sharing": "shared"})
		return ok
	})
}

// machines has two on one backing file, by the word of qemu-img.
func (s sizes) machines(vm func(string) labels) {
	s.t.Helper()
	info := func(name string) imageInfo {
		return decoded[imageInfo](s.t, inLab(s.t, "qemu-img info -U --output=json /var/lib/libvirt/images/%s.qcow2", name))
	}
	base, own := info("base"), 0.0
	for i := range 2 {
		disk, who := info(fmt.Sprintf("d%d", i+1)), vm(fmt.Sprintf("fp%d", i+1))
		s.image(who, disk.Actual, base.Actual)
		s.is("workload_disk_allocated_bytes", who, disk.Actual)
		s.is("workload_disk_capacity_bytes", who, disk.Virtual)
		own += disk.Actual
	}
	s.is("workload_host_image_bytes", and(labels{"runtime": "libvirt"}, "sharing", "shared"), base.Actual)
	s.is("workload_host_image_bytes", and(labels{"runtime": "libvirt"}, "sharing", "unique"), own)
}

// docker has three containers on one image.
func (s sizes) docker() {
	s.t.Helper()
	df := decoded[engineSizes](s.t, inLab(s.t, "curl -sf --unix-socket /run/docker.sock 'http://d/system/df?type=container&type=image'"))
	written, image := 0.0, 0.0
	for _, i := range df.Images {
		if i.Containers > 0 {
			image += i.Size
		}
	}
	for _, c := range df.Containers {
		who := labels{"runtime": "docker", "id": c.ID[:12]}
		s.image(who, c.SizeRw, image)
		s.is("workload_disk_allocated_bytes", who, c.SizeRw)
		written += c.SizeRw
	}
	if len(df.Containers) < 3 || written < 3e6 {
		s.t.Errorf("%d containers, which have written %.0f", len(df.Containers), written)
	}
	s.is("workload_host_image_bytes", labels{"runtime": "docker", "sharing": "unique"}, written)
	s.is("workload_host_image_bytes", labels{"runtime": "docker", "sharing": "shared"}, image)
}

// podman has a container and a pod of two on one image.
func (s sizes) podman() {
	s.t.Helper()
	raw := map[string]float64{}
	for _, line := range decoded[[]struct {
		Type    string
		RawSize float64
	}](s.t, inLab(s.t, "podman system df --format json")) {
		raw[line.Type] = line.RawSize
	}
	s.is("workload_host_image_bytes", labels{"runtime": "podman", "sharing": "unique"}, raw["Containers"])
	s.is("workload_host_image_bytes", labels{"runtime": "podman", "sharing": "shared"}, raw["Images"])
	for _, m := range s.series("workload_info", labels{"runtime": "podman"}) {
		s.is("workload_image_bytes", labels{"id": labelsOf(m)["id"], "sharing": "shared"}, raw["Images"])
	}
	if raw["Containers"] < 3e6 {
		s.t.Errorf("only %.0f were written", raw["Containers"])
	}
}

// containerd has a container and a pod on one image, by the word of its snapshotter.
func (s sizes) containerd() {
	s.t.Helper()
	image, own := 0.0, map[string]float64{}
	for line := range strings.Lines(inLab(s.t, "ctr snapshots usage -b")) {
		f := strings.Fields(line)
		if len(f) != 3 || f[0] == "KEY" {
			continue
		}
		n, err := strconv.ParseFloat(f[1], 64)
		if err != nil {
			s.t.Fatalf("%q: %v", line, err)
		}
		if strings.HasPrefix(f[0], "sha256:") {
			image += n
		} else {
			own[f[0]] = n
		}
	}
	s.image(labels{"runtime": "containerd", "id": "ctr1"}, own["ctr1"], image)
	s.image(labels{"runtime": "kubernetes", "id": footprintPod}, own[footprintContainer], image)
	if own["ctr1"] < 5e5 {
		s.t.Errorf("ctr1 has written %.0f", own["ctr1"])
	}
	s.is("workload_host_image_bytes", labels{"runtime": "containerd", "sharing": "shared"}, image)
	s.is("workload_host_image_bytes", labels{"runtime": "kubernetes", "sharing": "shared"}, 0)
}
