package runtimes

import (
	"cmp"
	"context"
	"io"
	"net"
	"strings"

	"github.com/workload-exporter/workload_exporter/workload"
)

// NewIncus returns an Asker of Incus, or of LXD, which Incus was made from and whose
// API has the same words.
func NewIncus(cfg AskerConfig) *Asker { return newAsker(cfg, incus{cfg.Source}) }

// incus is the runtime's label: "incus" or "lxd".
type incus struct{ runtime string }

const incusPath = "/1.0/instances?recursion=1&all-projects=true"

// instance is one of the list.
type instance struct {
	Name, Project string
	Config        map[string]string
}

func (incus) list(ctx context.Context, conn net.Conn, labels []string) (all map[string]told, err error) {
	over := client(func(context.Context, string, string) (net.Conn, error) { return conn, nil })
	err = httpGet(ctx, over, incusPath, func(body io.Reader) error {
		all, err = parseInstances(body, labels)
		return err
	})
	return all, err
}

// parseInstances is by instance, with its project where that is not the default:
// what its cgroup, or its QEMU, is called by.
func parseInstances(body io.Reader, labels []string) (map[string]told, error) {
	all := map[string]told{}
	err := eachItem(body, "metadata", func(i *instance) {
		project := cmp.Or(i.Project, "default")
		key := i.Name
		if project != "default" {
			key = project + "_" + i.Name
		}
		all[workload.Clean(key)] = told{name: workload.Clean(i.Name), metadata: workload.Metadata{
			Image: workload.Clean(i.image()), Project: workload.Clean(project), Labels: pick(labels, i.Config),
		}}
	})
	return all, err
}

// image is the first that the instance knows of what it was made from.
func (i *instance) image() string {
	c := i.Config
	return cmp.Or(c["image.description"],
		strings.TrimSpace(c["image.os"]+" "+c["image.release"]),
		c["volatile.base_image"])
}

func (r incus) key(c *workload.Candidate) string {
	if c.Runtime != r.runtime {
		return ""
	}
	return c.ID
}

// early is before the monitor has told whose an LXC container is.
func (incus) early(c *workload.Candidate) string {
	if c.Runtime != "lxc" {
		return ""
	}
	return c.ID
}
