package main

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var writeFaults = flag.Bool("faults", false, "write docs/faults.md anew")

const faultsPath = "docs/faults.md"

// drill is what a test says that it breaks, and what its user sees.
type drill struct{ part, breaks, shows, test string }

// parts are the sections of docs/faults.md.
var parts = []struct{ part, title string }{
	{"libvirt", "libvirt"}, {"cgroup", "cgroups"}, {"client", "Scrapers"}, {"process", "The exporter and its host"},
}

// drills takes what a comment tells, in pairs of lines: "drill PART: what is
// broken" and "shows: what is seen".
func drills(t *testing.T, test, comment string) []drill {
	t.Helper()
	var list []drill
	open := false
	for line := range strings.Lines(comment) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "# ")
		if rest, ok := strings.CutPrefix(line, "drill "); ok {
			part, breaks, ok := strings.Cut(rest, ": ")
			if !ok || open || !slices.ContainsFunc(parts, func(p struct{ part, title string }) bool { return p.part == part }) {
				t.Errorf("%s: %q", test, line)
			}
			list, open = append(list, drill{part: part, breaks: breaks, test: test}), true
		}
		if shows, ok := strings.CutPrefix(line, "shows: "); ok {
			if !open {
				t.Errorf("%s shows %q, of no drill", test, shows)
				continue
			}
			list[len(list)-1].shows, open = shows, false
		}
	}
	if open {
		t.Errorf("%s: the last drill shows nothing", test)
	}
	return list
}

// allDrills reads every test of the module, whatever it is built with.
func allDrills(t *testing.T) []drill {
	t.Helper()
	var list []drill
	err := filepath.WalkDir(".", func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && (e.Name() == "tools" || path != "." && strings.HasPrefix(e.Name(), ".")):
			return filepath.SkipDir
		case strings.HasSuffix(path, ".txtar") && filepath.Dir(path) == "testdata":
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			list = append(list, drills(t, path, string(b))...)
		case strings.HasSuffix(path, "_test.go"):
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			for _, d := range file.Decls {
				if f, ok := d.(*ast.FuncDecl); ok && f.Doc != nil {
					list = append(list, drills(t, filepath.Dir(path)+" "+f.Name.Name, f.Doc.Text())...)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestFaultsDocument holds docs/faults.md to what the tests say of themselves.
func TestFaultsDocument(t *testing.T) {
	list := allDrills(t)
	var b bytes.Buffer
	b.WriteString("# Faults\n\nWhat the tests break, and what the user sees. `make faults` writes this file from the comments of the tests.\n\n" +
		"In none of them is a scrape later than a second on a host that is not overloaded, and nothing that is wrong with libvirt takes a series\n" +
		"of a cgroup away.\n")
	for _, p := range parts {
		fmt.Fprintf(&b, "\n## %s\n\n| what is broken | what is seen | test |\n|---|---|---|\n", p.title)
		for _, d := range list {
			if d.part == p.part {
				fmt.Fprintf(&b, "| %s | %s | `%s` |\n", d.breaks, d.shows, strings.TrimPrefix(d.test, ". "))
			}
		}
	}
	if *writeFaults {
		if err := os.WriteFile(faultsPath, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if len(list) < 50 {
		t.Errorf("only %d drills", len(list))
	}
	if got := document(t, faultsPath); got != b.String() {
		t.Errorf("%s is not what the tests say: run make faults", faultsPath)
	}
}
