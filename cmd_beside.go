package main

import (
	"context"
	"fmt"
	"os/user"

	"opsyard/engine"
	"opsyard/engine/pubsub"
	"opsyard/models"
	"opsyard/models/store"
)

// beside is an engine for the commands that work beside a running server: the
// same verbs, permissions and audit, without machines and loops.
type beside struct {
	*engine.Engine
	store *store.Store
}

// openBeside opens an installation for a command. Whoever can read its data
// directory may do everything; the audit names their account on this host.
func (f dataFlags) openBeside(ctx context.Context) (context.Context, *beside, error) {
	log := newLog("warn")
	st, err := f.existing(ctx, log)
	if err != nil {
		return nil, nil, err
	}
	e, err := engine.New(ctx, engine.Config{Store: st, Hub: pubsub.NewHub(), Log: log})
	if err != nil {
		_ = st.Close() // the first error is the one to tell
		return nil, nil, err
	}
	name := "command line"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	ctx = models.WithActor(ctx, models.Actor{Kind: models.ActorSetup, Name: name, Admin: true, Surface: "cli"})
	return ctx, &beside{e, st}, nil
}

func (b *beside) close() { _ = b.store.Close() } // nothing is left to be written

// stackNamed finds a stack by id or by its name, if that is only one's.
func (b *beside) stackNamed(ctx context.Context, name string) (*models.Stack, error) {
	all, err := b.store.Stacks.List(ctx)
	if err != nil {
		return nil, err
	}
	var found []models.Stack
	for _, s := range all {
		if string(s.ID) == name {
			return &s, nil
		}
		if s.Name == name {
			found = append(found, s)
		}
	}
	switch len(found) {
	case 1:
		return &found[0], nil
	case 0:
		return nil, fmt.Errorf("there is no stack %q", name)
	}
	return nil, fmt.Errorf("%d stacks are called %q: name one by its id", len(found), name)
}

func (b *beside) userNamed(ctx context.Context, name string) (*models.User, error) {
	u, err := b.store.Users.ByName(ctx, name)
	if models.CodeOf(err) == models.CodeNotFound && err != nil {
		return nil, fmt.Errorf("there is no user %q", name)
	}
	return u, err
}
