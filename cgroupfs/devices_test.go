package cgroupfs

import (
	"os"
	"path/filepath"
	"testing"
)

func TestStackedDevices(t *testing.T) {
	sys := t.TempDir()
	write := func(name, content string) {
		t.Helper()
		path := filepath.Join(sys, "dev/block", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("8:0/stat", "")
	write("253:0/slaves/sda", "")
	write("7:0/loop/dio", "0\n")
	write("7:1/loop/dio", "1\n")
	d := newDevices(sys)
	for device, want := range map[string]bool{"8:0": false, "253:0": true, "7:0": false, "7:1": true, "259:9": false} {
		for range 2 {
			if got := d.isStacked([]byte(device)); got != want {
				t.Errorf("%s: stacked %v, want %v", device, got, want)
			}
		}
	}
	write("7:0/loop/dio", "1\n")
	if d.isStacked([]byte("7:0")) {
		t.Error("7:0 was asked about again")
	}
	d.forget()
	if !d.isStacked([]byte("7:0")) {
		t.Error("7:0 was not asked about again")
	}
}
