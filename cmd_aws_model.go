package main

import (
	"fmt"
	"os"
	"path/filepath"

	"opsyard/agent/atomicfile"
	"opsyard/handlers/awsapi/wire"
)

type awsModelCmd struct {
	Install bool   `help:"Write the files that boto3 and the AWS command line read, instead of printing the description."`
	Dir     string `help:"Directory of the clients' models, for --install." default:"~/.aws/models" type:"path"`
}

// Run prints or installs the description of the API that current AWS clients no
// longer bring themselves.
func (c *awsModelCmd) Run() error {
	if !c.Install {
		_, err := os.Stdout.Write(wire.Description())
		return err
	}
	dir := filepath.Join(c.Dir, "opsworks", wire.Version)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("install the description of the API: %w", err)
	}
	for _, f := range []struct {
		name string
		text []byte
	}{
		{"service-2.json", wire.Description()},
		{"waiters-2.json", wire.Waiters()},
		{"paginators-1.json", wire.Paginators()},
		{"endpoint-rule-set-1.json", wire.EndpointRules()},
	} {
		file := filepath.Join(dir, f.name)
		err := atomicfile.Write(file, f.text)
		if err == nil {
			err = os.Chmod(file, 0o644) // clients of other accounts may read it
		}
		if err != nil {
			return fmt.Errorf("install the description of the API: %w", err)
		}
		fmt.Println("wrote", file)
	}
	fmt.Print(c.next())
	return nil
}

// next says what is left to do until a client works.
func (c *awsModelCmd) next() string {
	place := ""
	if standard, err := os.UserHomeDir(); err != nil || c.Dir != filepath.Join(standard, ".aws", "models") {
		place = fmt.Sprintf("  export AWS_DATA_PATH=%s\n", c.Dir)
	}
	return `
Clients of this account know the opsworks commands now. Show them the server and
a key pair, which "opsyard key create --user NAME" makes:

` + place + `  export AWS_ENDPOINT_URL_OPSWORKS=https://opsyard.example.org AWS_DEFAULT_REGION=local
  export AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=…
  aws opsworks describe-stacks

Clients that do not know that variable take --endpoint-url (boto3: endpoint_url).
`
}
