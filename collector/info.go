package collector

import (
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"

	"github.com/workload-exporter/workload_exporter/workload"
)

// infoFamily is a metric that is always 1: its labels are what is known of a
// workload and too long, or too rarely asked for, to be in every series.
type infoFamily struct {
	name, help string
	// labels are those besides the workload's own four; none: it has no such
	// series. What is not known is an empty label, which Prometheus holds to be
	// none.
	labels func(w *workload.Workload) []*dto.LabelPair
}

// infoFamilies is by name.
func infoFamilies() []infoFamily {
	return []infoFamily{
		{
			"workload_info",
			"What else is known of the workload, always 1: its full id, its top cgroup below the mount, the image it was made " +
				"from, the machine monitor, containerd's namespace, the project in Incus or LXD, and where its numbers are from " +
				"(source: cgroup, libvirt or process). label_* are the labels that --runtime.labels asks for.",
			newInfo,
		},
		{
			"workload_kubernetes_info",
			"Which pod the workload is, or is a container of, always 1.",
			kubernetesInfo,
		},
	}
}

func newInfo(w *workload.Workload) []*dto.LabelPair {
	m := &w.Metadata
	pairs := []*dto.LabelPair{
		pair("cgroup", clean(w.Cgroup)),
		pair("full_id", clean(w.FullID)),
		pair("hypervisor", clean(w.Hypervisor)),
		pair("image", clean(m.Image)),
		pair("namespace", clean(m.Namespace)),
		pair("project", clean(m.Project)),
		pair("source", string(w.Origin)),
	}
	for _, l := range m.Labels {
		pairs = append(pairs, pair(LabelName(l.Key), clean(l.Value)))
	}
	return pairs
}

func kubernetesInfo(w *workload.Workload) []*dto.LabelPair {
	k := &w.Metadata.Kubernetes
	if k.Pod == "" {
		return nil
	}
	return []*dto.LabelPair{pair("namespace", clean(k.Namespace)), pair("pod", clean(k.Pod)), pair("uid", clean(k.UID))}
}

// newInfoMetric is one workload's series of a family, or nil.
func newInfoMetric(f infoFamily, w *workload.Workload, labels []*dto.LabelPair) *dto.Metric {
	more := f.labels(w)
	if more == nil {
		return nil
	}
	value := 1.0
	return &dto.Metric{
		Label: sorted(append(slices.Clone(labels), more...)),
		Gauge: &dto.Gauge{Value: &value},
	}
}

// LabelName is the label that a runtime's label is shown as: the key, with what
// Prometheus would not have in a name made an underscore, after a prefix of its own.
func LabelName(key string) string {
	return "label_" + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, key)
}
