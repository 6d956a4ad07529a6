package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"opsyard/models"
)

type keyCmd struct {
	Create keyCreateCmd `cmd:"" help:"Make an access key; its secret is printed once."`
}

type keyCreateCmd struct {
	dataFlags
	User string `help:"Sign-in name of the key's owner." required:""`
}

// Run prints the key as AWS clients know it.
func (c *keyCreateCmd) Run(ctx context.Context) error {
	ctx, b, err := c.openBeside(ctx)
	if err != nil {
		return err
	}
	defer b.close()
	u, err := b.userNamed(ctx, c.User)
	if err != nil {
		return err
	}
	key, err := b.CreateAccessKey(ctx, models.AccessKey{UserID: u.ID})
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(struct{ AccessKeyId, SecretAccessKey string }{key.ID, key.Secret}) //nolint:staticcheck // AWS' spelling
}

type tokenCmd struct {
	Create tokenCreateCmd `cmd:"" help:"Make a one-time token with which a host becomes an instance."`
}

type tokenCreateCmd struct {
	dataFlags
	Stack string        `help:"Name or id of the stack." required:""`
	Layer string        `help:"Short name or id of the layer; without one the host is registered and can be assigned to layers later."`
	TTL   time.Duration `help:"How long the token can be used." default:"1h" name:"ttl"`
}

// Run prints the token.
func (c *tokenCreateCmd) Run(ctx context.Context) error {
	ctx, b, err := c.openBeside(ctx)
	if err != nil {
		return err
	}
	defer b.close()
	s, err := b.stackNamed(ctx, c.Stack)
	if err != nil {
		return err
	}
	layer, err := c.layer(ctx, b, s)
	if err != nil {
		return err
	}
	token, err := b.CreateEnrollToken(ctx, s.ID, layer, c.TTL)
	if err != nil {
		return err
	}
	fmt.Println(token)
	return nil
}

// layer finds the layer that was asked for, if any.
func (c *tokenCreateCmd) layer(ctx context.Context, b *beside, s *models.Stack) (models.LayerID, error) {
	if c.Layer == "" {
		return "", nil
	}
	layers, err := b.store.Layers.InStack(ctx, s.ID)
	if err != nil {
		return "", err
	}
	for _, l := range layers {
		if l.Shortname == c.Layer || l.ID == models.LayerID(c.Layer) {
			return l.ID, nil
		}
	}
	return "", fmt.Errorf("stack %s has no layer %q", s.Name, c.Layer)
}
