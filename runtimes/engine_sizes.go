package runtimes

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/workload-exporter/workload_exporter/workload"
)

// Sizes asks an engine what its containers take of its storage. To answer, it
// goes through the writable layer of each container that it is asked about:
// that is the costly part. Images it knows.
type Sizes struct {
	runtime string
	client  *http.Client
	// images is the layers of those that were seen: an image never changes.
	images map[string][]workload.Layer
}

const (
	// askedMax is how many containers are asked for by their id; of more, all are.
	askedMax = 100
	// imageMax bounds what is read of one image.
	imageMax = 1 << 20
	// dockerSizes and podmanSizes list the containers that run. Of Podman's two
	// APIs only its own has the pod.
	dockerSizes = "/containers/json?size=true"
	podmanSizes = "/v4.0.0/libpod/containers/json?size=true"
)

// NewSizes returns a Sizes of the "docker" or the "podman" at a socket.
func NewSizes(runtime, socket string) *Sizes {
	return &Sizes{runtime: runtime, client: unixClient(socket), images: map[string][]workload.Layer{}}
}

// sized is one container of either list. Docker leaves a zero out.
type sized struct {
	ID, ImageID, Pod   string
	SizeRw, SizeRootFs *int64
	Size               *struct{ RwSize, RootFsSize *int64 }
}

// Storage is that of the containers with these ids, of those that run.
func (s *Sizes) Storage(ctx context.Context, ids []string) ([]workload.Storage, error) {
	path := dockerSizes
	if s.runtime == "podman" {
		path = podmanSizes
	}
	// A pod's id is no container's.
	all := len(ids) > askedMax || s.runtime == "podman"
	if !all {
		filter, err := json.Marshal(map[string][]string{"id": ids})
		if err != nil {
			return nil, err
		}
		path += "&filters=" + url.QueryEscape(string(filter))
	}
	var list []sized
	err := httpGet(ctx, s.client, path, func(body io.Reader) error {
		return eachItem(body, "", func(c *sized) { list = append(list, *c) })
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.runtime, err)
	}
	found, images := make([]workload.Storage, 0, len(list)), map[string][]workload.Layer{}
	for i := range list {
		c := &list[i]
		layers, asked := images[c.ImageID]
		if !asked {
			if layers, asked = s.images[c.ImageID]; !asked {
				layers, err = s.image(ctx, c.ImageID)
			}
			if ctx.Err() != nil {
				return nil, err
			}
			images[c.ImageID] = layers
		}
		if layers == nil {
			// The image was removed, and what the container has of it was not.
			layers = c.whole(s.runtime)
		}
		found = append(found, workload.Storage{ID: c.ID, Pod: c.Pod, Written: c.written(), Layers: layers})
	}
	if all {
		s.images = map[string][]workload.Layer{}
	}
	for id, layers := range images {
		if layers != nil {
			s.images[id] = layers
		}
	}
	return found, nil
}

// written is the size of the writable layer.
func (c *sized) written() workload.Value {
	n, root := c.SizeRw, c.SizeRootFs
	if c.Size != nil {
		n, root = c.Size.RwSize, c.Size.RootFsSize
	}
	switch {
	case n == nil && root == nil:
		return workload.Unreadable()
	case n == nil:
		return workload.Known(0)
	case *n < 0:
		return workload.Unreadable()
	}
	return workload.Known(uint64(*n))
}

// whole is the image as one layer, from the container's own sizes.
func (c *sized) whole(runtime string) []workload.Layer {
	root := c.SizeRootFs
	if c.Size != nil {
		root = c.Size.RootFsSize
	}
	rest := workload.Unreadable()
	if n, ok := c.written().Get(); ok && root != nil && *root >= 0 && uint64(*root) >= n {
		rest = workload.Known(uint64(*root) - n)
	}
	return []workload.Layer{{Key: runtime + ":image:" + c.ImageID, Bytes: rest}}
}

// image asks for an image's layers and their sizes.
func (s *Sizes) image(ctx context.Context, id string) ([]workload.Layer, error) {
	if !isID(digits(id)) {
		return nil, errors.New("no image id")
	}
	var image struct {
		Size   uint64
		RootFS struct{ Layers []string }
	}
	var history []struct{ Size uint64 }
	for path, into := range map[string]any{"json": &image, "history": &history} {
		err := httpGet(ctx, s.client, "/images/"+url.PathEscape(id)+"/"+path, func(body io.Reader) error {
			b, err := io.ReadAll(io.LimitReader(body, imageMax))
			if err != nil {
				return err
			}
			return json.Unmarshal(b, into)
		})
		if err != nil {
			return nil, err
		}
	}
	sizes := make([]uint64, 0, len(history))
	for i := len(history); i > 0; i-- {
		sizes = append(sizes, history[i-1].Size)
	}
	return layersOf(s.runtime, id, image.Size, image.RootFS.Layers, sizes), nil
}

// layersOf is the layers of an image, from the lowest up, each with the key of all
// that is below it: the same files on something else are stored once more. The
// history has a step for each, and steps that changed no file. Where the two do
// not fit, or do not come to the image's size, the image is one layer.
func layersOf(runtime, id string, size uint64, digests []string, steps []uint64) []workload.Layer {
	whole := []workload.Layer{{Key: runtime + ":image:" + id, Bytes: workload.Known(size)}}
	if len(steps) != len(digests) {
		kept := make([]uint64, 0, len(digests))
		for _, n := range steps {
			if n > 0 {
				kept = append(kept, n)
			}
		}
		steps = kept
	}
	if len(steps) != len(digests) {
		return whole
	}
	var sum uint64
	layers := make([]workload.Layer, len(digests))
	chain := ""
	for i, digest := range digests {
		hash := sha256.Sum256([]byte(chain + digest))
		chain = hex.EncodeToString(hash[:])
		layers[i] = workload.Layer{Key: runtime + ":layer:" + chain, Bytes: workload.Known(steps[i])}
		sum += steps[i]
	}
	// Within a hundredth: Podman counts what it stores beside the files.
	if off := max(sum, size) - min(sum, size); off > size/100 {
		return whole
	}
	return layers
}

// digits is an image's id without the name of the hash.
func digits(id string) string {
	const sha = "sha256:"
	if len(id) > len(sha) && id[:len(sha)] == sha {
		return id[len(sha):]
	}
	return id
}
