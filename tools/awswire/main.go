// Awswire writes the wire types of the OpsWorks Stacks API, and its model, from
// the model inside the module of the AWS SDK. It takes names and shapes only:
// no text of AWS' documentation comes with them.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const (
	module    = "github.com/aws/aws-sdk-go"
	directory = "models/apis/opsworks/2013-02-18"
)

func main() {
	out := flag.String("o", "handlers/awsapi/wire", "directory of package wire")
	flag.Parse()
	if err := run(*out); err != nil {
		fmt.Fprintln(os.Stderr, "awswire:", err)
		os.Exit(1)
	}
}

func run(out string) error {
	source, err := modelDir()
	if err != nil {
		return err
	}
	return write(source, out)
}

// write makes the two files from the three.
func write(source, out string) error {
	m, err := readModel(source)
	if err != nil {
		return err
	}
	code, err := types(m.API)
	if err != nil {
		return fmt.Errorf("write the types: %w", err)
	}
	text, err := json.MarshalIndent(m, "", "\t")
	if err != nil {
		return fmt.Errorf("write the model: %w", err)
	}
	if err := os.WriteFile(filepath.Join(out, "types_gen.go"), code, 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(out, "model_gen.json"), append(text, '\n'), 0o644)
}

// modelDir is where the module in go.mod's version keeps the model.
func modelDir() (string, error) {
	// A module that is not in the cache has no directory yet.
	if out, err := exec.Command("go", "mod", "download", module).CombinedOutput(); err != nil { //nolint:noctx // ends with this program
		return "", fmt.Errorf("download %s: %w: %s", module, err, bytes.TrimSpace(out))
	}
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module).Output() //nolint:noctx // ends with this program
	if err != nil {
		return "", fmt.Errorf("find %s: %w", module, err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), directory), nil
}

// readModel reads what is fact in the three files; maps make their order the
// alphabet's.
func readModel(dir string) (*model, error) {
	m := new(model)
	var pages struct {
		Pagination json.RawMessage `json:"pagination"`
	}
	for name, into := range map[string]any{"api-2.json": &m.API, "waiters-2.json": &m.Waiters, "paginators-1.json": &pages} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, fmt.Errorf("read the model: %w", err)
		}
		if err := json.Unmarshal(text, into); err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
	}
	if len(m.API.Operations) == 0 || len(m.Waiters.Waiters) == 0 {
		return nil, fmt.Errorf("%s holds no operations or no waiters", dir)
	}
	m.Paginators.Pagination = pages.Pagination
	return m, nil
}
