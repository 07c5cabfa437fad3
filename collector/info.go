package collector

import (
	"strings"

	dto "github.com/prometheus/client_model/go"

	"github.com/workload-exporter/workload_exporter/workload"
)

// infoFamily is a metric that is always 1: its labels are what is known of a
// workload and too long, or too rarely asked for, to be in every series.
type infoFamily struct {
	name, help string
	// labels are those besides the workload's own four.
	labels []string
	// values are theirs, of each series; none: the workload has no such series. What
	// is not known is an empty label, which Prometheus holds to be none.
	values func(w *workload.Workload) [][]string
	// asked are labels that a user asked for by name, or nil.
	asked func(w *workload.Workload) []workload.Label
}

// infoFamilies is by name.
func infoFamilies() []infoFamily {
	return []infoFamily{
		{
			name: "workload_info",
			help: "What else is known of the workload, always 1: its full id, its top cgroup below the mount, the image it was made " +
				"from, the machine monitor, containerd's namespace, the project in Incus or LXD, and where its numbers are from " +
				"(source: cgroup, libvirt or process). label_* are the labels that --runtime.labels asks for.",
			labels: []string{"cgroup", "full_id", "hypervisor", "image", "namespace", "project", "source"},
			values: func(w *workload.Workload) [][]string {
				m := &w.Metadata
				return [][]string{{w.Cgroup, w.FullID, w.Hypervisor, m.Image, m.Namespace, m.Project, string(w.Origin)}}
			},
			asked: func(w *workload.Workload) []workload.Label { return w.Metadata.Labels },
		},
		{
			name: "workload_kubernetes_container_info",
			help: "The containers that run in the pod and their images, as CRI lists them, always 1: at most 12 of a pod, and looked for once a minute. " +
				"Their numbers are the pod's.",
			labels: []string{"container", "image"},
			values: func(w *workload.Workload) [][]string {
				pod := w.Pod()
				if pod == nil {
					return nil
				}
				all := make([][]string, 0, len(pod.Containers))
				for _, c := range pod.Containers {
					all = append(all, []string{c.Name, c.Image})
				}
				return all
			},
		},
		{
			name:   "workload_kubernetes_info",
			help:   "Which pod the workload is, or is a container of, always 1.",
			labels: []string{"namespace", "pod", "uid"},
			values: func(w *workload.Workload) [][]string {
				k := &w.Metadata.Kubernetes
				if k.Pod == "" {
					return nil
				}
				return [][]string{{k.Namespace, k.Pod, k.UID}}
			},
		},
		{
			name:   "workload_openstack_info",
			help:   "What Nova has noted of the instance, always 1; id is the instance's UUID (nova:instance in the metadata of libvirt's domain XML).",
			labels: []string{"flavor_name", "image_id", "instance_name", "project_id", "project_name", "user_id", "user_name"},
			values: func(w *workload.Workload) [][]string {
				o := w.OpenStack()
				if o == nil {
					return nil
				}
				return [][]string{{o.Flavor, o.Image, o.Instance, o.ProjectID, o.Project, o.UserID, o.User}}
			},
		},
	}
}

// newInfoMetrics are one workload's series of a family. What is the same for all
// workloads is there once.
func newInfoMetrics(f *infoFamily, one *dto.Gauge, w *workload.Workload, labels []*dto.LabelPair) []*dto.Metric {
	var asked []workload.Label
	if f.asked != nil {
		asked = f.asked(w)
	}
	var metrics []*dto.Metric
	for _, values := range f.values(w) {
		pairs := make([]dto.LabelPair, len(values))
		all := make([]*dto.LabelPair, 0, len(labels)+len(values)+len(asked))
		for i := range values {
			values[i] = workload.Clean(values[i])
			pairs[i].Name, pairs[i].Value = &f.labels[i], &values[i]
			all = append(all, &pairs[i])
		}
		for _, l := range asked {
			all = append(all, pair(LabelName(l.Key), workload.Clean(l.Value)))
		}
		metrics = append(metrics, &dto.Metric{Label: sorted(append(all, labels...)), Gauge: one})
	}
	return metrics
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
