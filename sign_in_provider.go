package main

import (
	"cmp"
	"fmt"
	"os"
	"strings"

	"opsyard/web/oidc"
)

// oidcSecretEnv holds the client's secret at the OpenID provider. It has no
// flag: arguments of a program are there for everybody to read.
const oidcSecretEnv = "OPSYARD_OIDC_CLIENT_SECRET"

// oidcFlags name the OpenID provider that people may sign in at.
type oidcFlags struct {
	OIDCIssuer           string `name:"oidc-issuer" help:"OpenID provider that people may sign in at: its issuer, https://…"`
	OIDCClientID         string `name:"oidc-client-id" help:"What the provider calls this server."`
	OIDCClientSecretFile string `name:"oidc-client-secret-file" help:"File with the client's secret at the provider." type:"path"`
	OIDCGroupClaim       string `name:"oidc-group-claim" help:"Claim of the provider that lists a person's groups: who has none is in no group. Default: groups, and a missing one changes nothing."`
	OIDCName             string `name:"oidc-name" help:"Name of the provider on the sign-in page. Default: its host."`
}

// provider makes what asks the OpenID provider; nil without one.
func (f oidcFlags) provider(publicURL string) (*oidc.Provider, error) {
	if f.OIDCIssuer == "" {
		return nil, nil
	}
	secret, err := f.secret()
	if err != nil {
		return nil, err
	}
	p, err := oidc.New(oidc.Config{
		Issuer: f.OIDCIssuer, ClientID: f.OIDCClientID, ClientSecret: secret, GroupClaim: f.OIDCGroupClaim, Name: f.OIDCName, PublicURL: publicURL,
	})
	if err != nil {
		return nil, fmt.Errorf("--oidc-issuer: %w", err)
	}
	return p, nil
}

func (f oidcFlags) secret() (string, error) {
	if f.OIDCClientSecretFile == "" {
		return os.Getenv(oidcSecretEnv), nil
	}
	text, err := os.ReadFile(f.OIDCClientSecretFile)
	if err != nil {
		return "", fmt.Errorf("read the secret of the OpenID client: %w", err)
	}
	return cmp.Or(strings.TrimSpace(string(text)), os.Getenv(oidcSecretEnv)), nil
}
