package workload

import (
	"fmt"
	"slices"
	"testing"
)

// TestContainersOfAPod has two sources tell of the inside of pods: the workload has what was
// told last, and the same Pod for as long as that is the same.
func TestContainersOfAPod(t *testing.T) {
	r := NewRegistry(Config{})
	found := func(id string) {
		r.Found("/"+id, Candidate{Identity: Identity{Kind: KindContainer, Runtime: "kubernetes", ID: id, Name: id}, Cgroup: "/" + id, Inode: 1, Group: using(1, 1)})
	}
	found("a")
	pod := func(id string) *Pod {
		t.Helper()
		list := r.Refresh()
		at := slices.IndexFunc(list, func(w *Workload) bool { return w.ID == id })
		if at < 0 {
			t.Fatalf("%s is not there", id)
		}
		return list[at].Pod()
	}
	names := func(p *Pod) string {
		if p == nil {
			return "none"
		}
		return fmt.Sprint(p.Containers)
	}
	expect := func(id, want string) {
		t.Helper()
		if got := names(pod(id)); got != want {
			t.Errorf("%s: %s, want %s", id, got, want)
		}
	}
	expect("a", "none")
	r.Contain("containerd", map[string][]Container{"a": {{Name: "app", Image: "i"}}, "b": {{Name: "late"}}})
	r.Contain("cri", nil)
	expect("a", "[{app i}]")
	first := pod("a")
	r.Contain("containerd", map[string][]Container{"a": {{Name: "app", Image: "i"}}, "b": {{Name: "late"}}})
	if pod("a") != first {
		t.Error("the same containers are another pod")
	}
	found("b")
	expect("b", "[{late }]")
	r.Contain("containerd", map[string][]Container{"a": {{Name: "app", Image: "i"}, {Name: "sidecar"}}})
	expect("a", "[{app i} {sidecar }]")
	expect("b", "none")
	many := make([]Container, maxContained+1)
	r.Contain("containerd", nil)
	r.Contain("cri", map[string][]Container{"a": many})
	if got := len(pod("a").Containers); got != maxContained {
		t.Errorf("%d containers, want %d", got, maxContained)
	}
}
