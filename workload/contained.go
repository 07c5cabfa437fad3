package workload

import "slices"

// maxContained is how many containers of a pod are told of: with them a pod is still
// within the series that a container may have.
const maxContained = 12

// Container is one that runs in a pod.
type Container struct{ Name, Image string }

// Pod is what a runtime tells of the inside of a workload. It is not changed: other
// containers are another Pod.
type Pod struct{ Containers []Container }

// Contain takes all that a source tells of the containers that run in pods, by the
// pods' UIDs. It takes the place of what the source told before.
func (r *Registry) Contain(source string, pods map[string][]Container) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.contained[source], r.recount = pods, true
}

// attachPods gives the workloads that are pods what is told of their inside.
func (r *Registry) attachPods() {
	r.recount = false
	for _, w := range r.running {
		list := r.inside(w.ID)
		switch pod := w.pod.Load(); {
		case len(list) == 0:
			w.pod.Store(nil)
		case pod == nil || !slices.Equal(pod.Containers, list):
			w.pod.Store(&Pod{Containers: list})
		}
	}
}

// inside is the containers of a pod. No two runtimes have the same one.
func (r *Registry) inside(uid string) []Container {
	for _, pods := range r.contained {
		if list := pods[uid]; len(list) > 0 {
			return list[:min(len(list), maxContained)]
		}
	}
	return nil
}
