package runtimes

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"slices"

	"github.com/workload-exporter/workload_exporter/workload"
)

// Volumes asks Incus or LXD what the roots of its instances take.
type Volumes struct {
	runtime string
	client  *http.Client
}

// NewVolumes returns a Volumes of the "incus" or the "lxd" at a socket.
func NewVolumes(runtime, socket string) *Volumes {
	return &Volumes{runtime, unixClient(socket)}
}

// rooted is one instance of the list, with its root device.
type rooted struct {
	Name, Project, Type string
	Devices             map[string]map[string]string `json:"expanded_devices"`
}

func (r *rooted) id() string {
	if r.Project == "" || r.Project == "default" {
		return r.Name
	}
	return r.Project + "_" + r.Name
}

// pool is where the root of the instance is.
func (r *rooted) pool() string {
	for _, device := range r.Devices {
		if device["type"] == "disk" && device["path"] == "/" {
			return device["pool"]
		}
	}
	return ""
}

// directory is where a pool of directories keeps an instance.
func (r *rooted) directory() string {
	kind := "containers"
	if r.Type == "virtual-machine" {
		kind = "virtual-machines"
	}
	return path.Join("storage-pools", r.pool(), kind, r.id())
}

// Volumes is that of the instances with these ids, of those that there are.
func (v *Volumes) Volumes(ctx context.Context, ids []string) ([]workload.Volume, error) {
	var list []rooted
	err := httpGet(ctx, v.client, incusPath, func(body io.Reader) error {
		return eachItem(body, "metadata", func(r *rooted) {
			if slices.Contains(ids, r.id()) && r.plain() {
				list = append(list, *r)
			}
		})
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", v.runtime, err)
	}
	var volumes []workload.Volume
	var errs []error
	for i := range list {
		volume, err := v.volume(ctx, &list[i])
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", v.runtime, err))
			continue
		}
		volumes = append(volumes, volume)
	}
	return volumes, errors.Join(errs...)
}

// plain says that pool and name are one component of a path each.
func (r *rooted) plain() bool {
	for _, s := range []string{r.pool(), r.id()} {
		if s == "" || s == "." || s == ".." || path.Base(s) != s {
			return false
		}
	}
	return true
}

func (v *Volumes) volume(ctx context.Context, r *rooted) (workload.Volume, error) {
	volume := workload.Volume{ID: r.id()}
	at := fmt.Sprintf("/1.0/storage-pools/%s/volumes/%s/%s/state?project=%s", url.PathEscape(r.pool()),
		url.PathEscape(cmp.Or(r.Type, "container")), url.PathEscape(r.Name), url.QueryEscape(cmp.Or(r.Project, "default")))
	err := httpGet(ctx, v.client, at, func(body io.Reader) error {
		var state struct {
			Metadata struct {
				Usage *struct {
					Used  uint64
					Total int64
				}
			}
		}
		b, err := io.ReadAll(io.LimitReader(body, maxItem))
		if err != nil {
			return err
		}
		if err := json.Unmarshal(b, &state); err != nil {
			return err
		}
		usage := state.Metadata.Usage
		if usage == nil {
			// A pool of directories does not count.
			volume.Directory = r.directory()
			return nil
		}
		volume.Used = workload.Known(usage.Used)
		if usage.Total > 0 {
			volume.Size = workload.Known(uint64(usage.Total))
		}
		return nil
	})
	return volume, err
}
