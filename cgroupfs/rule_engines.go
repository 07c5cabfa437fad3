package cgroupfs

import (
	"strings"

	"github.com/workload-exporter/workload_exporter/workload"
)

// engineRules are the container engines. With systemd a container's scope has a
// prefix that tells the engine; without, only the parent does.
func engineRules() []rule {
	return []rule{
		{
			kind: workload.KindContainer, runtime: "docker",
			forms: []form{
				{as: `docker-` + full64 + `\.scope`},
				{in: `.*/(?:docker|moby)`, as: full64},
				{as: literal + `docker:` + full64},
			},
		},
		{
			kind: workload.KindContainer, runtime: "buildkit",
			forms: []form{
				{as: `(?:docker|buildkit)-` + build25 + `\.scope`},
				{in: `.*/buildkit`, as: build25},
				{as: literal + `(?:docker|buildkit):` + build25},
			},
		},
		{
			kind: workload.KindContainer, runtime: "podman",
			forms: []form{
				{as: `(?:.+-)?libpod_pod_` + full64 + `\.slice`},
				{in: `.*/libpod_parent`, as: full64},
				{as: `libpod-` + full64 + `\.scope`},
				{as: `libpod-` + full64},
				{as: `libpod-payload-` + full64},
				{as: literal + `libpod:` + full64},
			},
		},
		{
			kind: workload.KindContainer, runtime: "cri-o",
			forms: []form{
				{as: `crio-` + full64 + `\.scope`},
				{as: `crio-` + full64},
				{as: literal + `crio:` + full64},
			},
			read: notPlaceholder,
		},
		{
			kind: workload.KindVM, runtime: "kata",
			forms: []form{
				{as: `kata_` + full64},
				{in: `/vc|/default|/k8s\.io`, as: `kata_` + word, free: true},
			},
		},
		{
			kind: workload.KindContainer, runtime: "containerd",
			forms: []form{
				{as: `(?:nerdctl|cri-containerd)-` + full64 + `\.scope`},
				{as: literal + `(?:nerdctl|cri-containerd):` + full64},
				{in: `.*/(?:default|k8s\.io)`, as: full64},
				// Any other namespace is a directory like any other.
				{in: `/default|/k8s\.io`, as: word, free: true},
			},
		},
	}
}

// notPlaceholder refuses the empty directory that CRI-O makes below a slice for a
// sandbox without a pause container. Below anything else the same name is a
// container of its cgroupfs manager.
func notPlaceholder(m *match) bool {
	return m.form.unit || strings.Contains(m.name, ":") || !strings.HasSuffix(m.above(), ".slice")
}

// standaloneRules are containers that a low-level runtime started by itself, and
// those of anybody whose parent we do not know.
func standaloneRules() []rule {
	const id = `(?P<id>[A-Za-z0-9_][A-Za-z0-9_+.\\-]*)`
	list := make([]rule, 0, 4)
	for _, runtime := range []string{"crun", "runc", "runsc"} {
		list = append(list, rule{
			kind: workload.KindContainer, runtime: runtime,
			forms: []form{
				{as: runtime + `-` + full64 + `\.scope`},
				{as: runtime + `-` + id + `\.scope`},
			},
		})
	}
	return append(list, rule{
		kind: workload.KindContainer, runtime: "unknown",
		forms: []form{{as: full64}, {as: full64 + `\.scope`}},
	})
}

// innerRules read a container's group without regard to where it is.
func innerRules() []rule {
	return []rule{{
		kind: workload.KindContainer,
		forms: []form{
			{as: `(?:docker-|cri-containerd-|crio-|nerdctl-|libpod-)?` + full64 + `\.scope`},
			{as: `(?:libpod-|libpod-payload-|kata_)?` + full64},
			{as: `(?:.+\.slice)?:[a-z-]+:` + full64},
			{as: `crio-` + full64},
		},
		read: func(m *match) bool {
			return !strings.HasPrefix(m.name, "crio-") || notPlaceholder(m)
		},
	}}
}
