// Command dashboards writes the Grafana dashboards as JSON into a directory.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: dashboards DIR")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func write(dir string) error {
	files, err := generate()
	if err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// generate is the content of each file, by its name.
func generate() (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, b := range []board{comparison(), density(), single(), health()} {
		content, err := json.MarshalIndent(b.build(), "", "  ")
		if err != nil {
			return nil, fmt.Errorf("%s: %w", b.uid, err)
		}
		files[b.uid+".json"] = append(content, '\n')
	}
	return files, nil
}
