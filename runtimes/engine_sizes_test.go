package runtimes

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/workload-exporter/workload_exporter/workload"
)

// sizesOf serves answers by path at a socket, and notes what is asked for.
type sizesOf struct {
	mu      sync.Mutex
	answers map[string]string
	asked   []string
}

func (s *sizesOf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, r.URL.RequestURI())
	answer, ok := s.answers[r.URL.Path]
	if !ok {
		http.Error(w, "no such image", http.StatusNotFound)
		return
	}
	fmt.Fprint(w, answer)
}

func (s *sizesOf) count(part string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, a := range s.asked {
		if strings.Contains(a, part) {
			n++
		}
	}
	return n
}

func serveSizes(t *testing.T, h http.Handler) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { server.Close() })
	return socket
}

func values(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(workload.Value{})); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

var (
	imageA = "sha256:" + strings.Repeat("a", 64)
	imageB = "sha256:" + strings.Repeat("b", 64)
	idOne  = strings.Repeat("1", 64)
	idTwo  = strings.Repeat("2", 64)
)

func TestSizesOfDocker(t *testing.T) {
	s := &sizesOf{answers: map[string]string{
		"/containers/json": `[{"Id":"` + idOne + `","ImageID":"` + imageA + `","SizeRw":3000,"SizeRootFs":1203000,"Labels":{"a":"b"}},
			{"Id":"` + idTwo + `","ImageID":"` + imageB + `","SizeRootFs":500},
			{"Id":"` + strings.Repeat("3", 64) + `","ImageID":"` + imageA + `","SizeRw":-1,"SizeRootFs":-1},
			{"Id":"` + strings.Repeat("4", 64) + `","ImageID":"../../x"}]`,
		"/images/" + imageA + "/json": `{"Id":"x","Size":1200000,"RootFS":{"Type":"layers","Layers":["sha256:l1","sha256:l2"]}}`,
		// Newest first; one step changed no file.
		"/images/" + imageA + "/history": `[{"Size":200000},{"Size":0},{"Size":1000000}]`,
	}}
	sizes := NewSizes("docker", serveSizes(t, s))
	got, err := sizes.Storage(t.Context(), []string{idOne, idTwo})
	if err != nil || len(got) != 4 {
		t.Fatalf("%+v, %v", got, err)
	}
	layers := got[0].Layers
	if len(layers) != 2 || layers[0].Key == layers[1].Key {
		t.Fatalf("%+v", layers)
	}
	known := workload.Known
	values(t, "layers, the lowest first", []workload.Value{layers[0].Bytes, layers[1].Bytes}, []workload.Value{known(1000000), known(200000)})
	values(t, "written", []workload.Value{got[0].Written, got[1].Written, got[2].Written, got[3].Written},
		[]workload.Value{known(3000), known(0), workload.Unreadable(), workload.Unreadable()})
	values(t, "an image that is gone", got[1].Layers, []workload.Layer{{Key: "docker:image:" + imageB, Bytes: known(500)}})
	values(t, "no size at all", got[3].Layers, []workload.Layer{{Key: "docker:image:../../x", Bytes: workload.Unreadable()}})
	values(t, "one image, the same layers", got[2].Layers, layers)
	asked, err := url.QueryUnescape(s.asked[0])
	if err != nil || asked != `/containers/json?size=true&filters={"id":["`+idOne+`","`+idTwo+`"]}` {
		t.Errorf("asked for %s", asked)
	}
	if _, err := sizes.Storage(t.Context(), []string{idOne}); err != nil {
		t.Fatal(err)
	}
	if n := s.count("/images/" + imageA); n != 2 {
		t.Errorf("an image was asked about %d times", n)
	}
	// So many are not named, and images of nobody are forgotten.
	s.answers["/containers/json"] = `[]`
	if _, err := sizes.Storage(t.Context(), make([]string, askedMax+1)); err != nil || len(sizes.images) != 0 {
		t.Errorf("%v, %d images are kept", err, len(sizes.images))
	}
	if last := s.asked[len(s.asked)-1]; last != "/containers/json?size=true" {
		t.Errorf("asked for %s", last)
	}
}

func TestSizesOfPodman(t *testing.T) {
	pod := strings.Repeat("9", 64)
	s := &sizesOf{answers: map[string]string{
		"/v4.0.0/libpod/containers/json": `[{"Id":"` + idOne + `","ImageID":"` + imageA[7:] + `","Pod":"` + pod + `","Size":{"rootFsSize":1050,"rwSize":50}}]`,
	}}
	got, err := NewSizes("podman", serveSizes(t, s)).Storage(t.Context(), []string{pod})
	if err != nil {
		t.Fatal(err)
	}
	values(t, "podman", got, []workload.Storage{{
		ID: idOne, Pod: pod, Written: workload.Known(50),
		Layers: []workload.Layer{{Key: "podman:image:" + imageA[7:], Bytes: workload.Known(1000)}},
	}})
}

func TestLayersOf(t *testing.T) {
	for what, tc := range map[string]struct {
		size    uint64
		digests []string
		steps   []uint64
		want    int
	}{
		"none":                       {0, nil, nil, 0},
		"one for one":                {30, []string{"a", "b"}, []uint64{10, 20}, 2},
		"an empty layer":             {20, []string{"a", "b"}, []uint64{0, 20}, 2},
		"empty steps":                {30, []string{"a", "b"}, []uint64{10, 0, 0, 20}, 2},
		"an empty layer among steps": {30, []string{"a", "b", "c"}, []uint64{10, 0, 0, 20}, 1},
		"no history":                 {30, []string{"a"}, nil, 1},
		"another size":               {40, []string{"a", "b"}, []uint64{10, 20}, 1},
	} {
		got := layersOf("docker", "i", tc.size, tc.digests, tc.steps)
		if len(got) != tc.want {
			t.Errorf("%s: %+v", what, got)
			continue
		}
		var sum workload.Value
		for _, l := range got {
			sum = sum.Plus(l.Bytes)
		}
		if n, _ := sum.Get(); n != tc.size {
			t.Errorf("%s: %d bytes", what, n)
		}
	}
	a := layersOf("docker", "i", 30, []string{"a", "b"}, []uint64{10, 20})
	b := layersOf("docker", "j", 30, []string{"a", "c"}, []uint64{10, 20})
	c := layersOf("docker", "k", 30, []string{"c", "b"}, []uint64{10, 20})
	if a[0].Key != b[0].Key || a[1].Key == b[1].Key || a[1].Key == c[1].Key {
		t.Error("keys do not follow what is below")
	}
}

// An engine that sends rubbish, for ever, or nothing.
func TestSizesOfALiar(t *testing.T) {
	for what, answer := range map[string]string{
		"rubbish": "rubbish", "no list": `{"message":"x"}`, "cut off": `[{"Id":"x"}`, "of another kind": `["a"]`, "of other types": `[{"Id":5}]`,
	} {
		s := &sizesOf{answers: map[string]string{"/containers/json": answer}}
		if got, err := NewSizes("docker", serveSizes(t, s)).Storage(t.Context(), nil); err == nil || len(got) > 0 {
			t.Errorf("%s: %+v, %v", what, got, err)
		}
	}
	endless := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		line := []byte(strings.Repeat(" ", 1<<16))
		_, err := fmt.Fprint(w, "[")
		for err == nil {
			_, err = w.Write(line)
		}
	})
	if _, err := NewSizes("docker", serveSizes(t, endless)).Storage(t.Context(), nil); err == nil {
		t.Error("an endless answer is understood")
	}
	image := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/containers/json" {
			fmt.Fprint(w, `[{"Id":"`+idOne+`","ImageID":"`+imageA+`","SizeRw":1,"SizeRootFs":8}]`)
			return
		}
		endless(w, r)
	})
	got, err := NewSizes("docker", serveSizes(t, image)).Storage(t.Context(), nil)
	if err != nil || len(got) != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	values(t, "an endless image", got[0].Layers, []workload.Layer{{Key: "docker:image:" + imageA, Bytes: workload.Known(7)}})
	if _, err := NewSizes("docker", "/nowhere/s").Storage(t.Context(), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nobody there: %v", err)
	}
}

func TestSizesOfTheSilent(t *testing.T) {
	release := make(chan struct{})
	socket := serveSizes(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := NewSizes("docker", socket).Storage(ctx, nil)
		done <- err
	}()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	close(release)
}

func FuzzSizes(f *testing.F) {
	f.Add([]byte(`[{"Id":"a","ImageID":"b","SizeRw":1,"SizeRootFs":2,"Size":{"rwSize":1}}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = eachItem(bytes.NewReader(b), "", func(c *sized) {
			n, ok := c.written().Get()
			if whole, sure := c.whole("docker")[0].Bytes.Get(); sure && (!ok || whole+n < n) {
				t.Errorf("%d of %d", whole, n)
			}
		})
	})
}

// What Docker 26.1 and Debian trixie's Podman answered when a container had written 3,000,000
// bytes, another 2,000,000, and one in a pod 1,000,000, with what docker system df
// -v and podman system df -v said of that.
func TestSizesCaptured(t *testing.T) {
	image := "/images/sha256:2015dc1c4eeaee40a339a81c9b0a14188827606a751f73e42612efd00017a2d3/"
	docker := &sizesOf{answers: map[string]string{
		"/containers/json": string(captured(t, "sizes-docker-containers.json")), image + "json": string(captured(t, "sizes-docker-image.json")), image + "history": string(captured(t, "sizes-docker-history.json")),
	}}
	got, err := NewSizes("docker", serveSizes(t, docker)).Storage(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	known := workload.Known
	var written []workload.Value
	for _, c := range got {
		written = append(written, c.Written)
		if len(c.Layers) != 1 || c.Layers[0].Bytes != known(2026501) || !strings.HasPrefix(c.Layers[0].Key, "docker:layer:") {
			t.Errorf("%s: %+v", c.ID, c.Layers)
		}
	}
	values(t, "docker", written, []workload.Value{known(3000000), known(0), known(0)})

	image = "/images/ba6107f3a26a66f96d296cad00e93ff4389c594c0de6f1397cbd7ce9bd1fc74d/"
	podman := &sizesOf{answers: map[string]string{
		"/v4.0.0/libpod/containers/json": string(captured(t, "sizes-podman-containers.json")), image + "json": string(captured(t, "sizes-podman-image.json")), image + "history": string(captured(t, "sizes-podman-history.json")),
	}}
	got, err = NewSizes("podman", serveSizes(t, podman)).Storage(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	pods := map[string]workload.Value{}
	for _, c := range got {
		pods[c.Pod] = pods[c.Pod].Plus(c.Written)
		if len(c.Layers) != 1 || c.Layers[0].Bytes != known(2181120) {
			t.Errorf("%s: %+v", c.ID, c.Layers)
		}
	}
	values(t, "podman", pods, map[string]workload.Value{
		"": known(2011156), "e01e6ead63262617f7f47e1c95f92956e18df5a5d8243eac85eea1b0d618ebce": known(1011130 + 11201),
	})
}
