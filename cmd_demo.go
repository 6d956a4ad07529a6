package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"opsyard/engine"
	"opsyard/models"
)

type demoCmd struct {
	serveFlags
	Stack    string `help:"Sample stack: hello is a load balancer before two web servers; threetier is one before two PHP app servers and a database, on local machines." enum:"hello,threetier" default:"hello"`
	LogLevel string `help:"Least level to log: ${enum}." enum:"debug,info,warn,error" default:"warn"`
}

// Run serves with temporary data, removed at the end, and the sample stack.
func (c *demoCmd) Run(ctx context.Context) (err error) {
	if err := checkURL(c.PublicURL); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "opsyard-demo-")
	if err != nil {
		return fmt.Errorf("make a temporary directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	c.Data, c.Database, c.Ephemeral = filepath.Join(dir, "data"), "sqlite", true
	s, err := newServer(ctx, c.serveFlags, newLog(c.LogLevel), engine.Times{})
	if err != nil {
		return err
	}
	s.tell = func(sentence string) { fmt.Println("note    ", sentence) }
	d := &demo{server: s, dir: filepath.Join(dir, "source"), sample: c.Stack, app: hello}
	ctx, cancel := context.WithCancel(ctx)
	var telling sync.WaitGroup
	var told error
	telling.Go(func() {
		if told = d.run(ctx); told != nil && ctx.Err() == nil {
			cancel() // without its stack the demo shows nothing
		}
	})
	err = s.serveWith(ctx, d.routes)
	cancel()
	telling.Wait()
	if told != nil && !errors.Is(told, context.Canceled) {
		return errors.Join(told, err)
	}
	return err
}

// demo makes the sample stack and tells how it comes up.
type demo struct {
	*server
	dir    string // holds the app's repository
	sample string // which sample stack
	app    models.App
	stack  *models.Stack
}

// run prints what is true as soon as it is: the console, the login, and the
// app once the load balancer answers.
func (d *demo) run(ctx context.Context) error {
	ctx, login, err := d.admin(ctx)
	if err != nil {
		return err
	}
	fmt.Println("console ", d.publicURL())
	fmt.Println("login   ", login)
	provider := d.engine.Providers()[0]
	build, err := d.builder(provider)
	if err != nil {
		return err
	}
	if err := build(ctx); err != nil {
		return err
	}
	fmt.Printf("stack    %s/stacks/%s\n", d.publicURL(), d.stack.ID)
	if _, err := d.engine.StartStack(ctx, d.stack.ID); err != nil {
		return err
	}
	if err := d.watch(ctx); err != nil {
		return err
	}
	if provider == "local" {
		return d.waitForApp(ctx)
	}
	return nil
}

// builder is what makes the sample stack on a provider.
func (d *demo) builder(provider string) (func(context.Context) error, error) {
	if d.sample == "threetier" && provider != "local" {
		return nil, fmt.Errorf("the sample stack threetier needs local machines, and this host has the provider %s: opsyard doctor tells why", provider)
	}
	switch {
	case d.sample == "threetier":
		return d.threeTiers, nil
	case provider == "sim":
		return d.simulated, nil
	case provider == "process":
		return d.processes, nil
	}
	return d.machines, nil
}

// admin makes the demo's one user and acts as it.
func (d *demo) admin(ctx context.Context) (context.Context, string, error) {
	setup := models.WithActor(ctx, models.Actor{Kind: models.ActorSetup, Name: "demo", Admin: true, Surface: "cli"})
	password := strings.ToLower(rand.Text())[:16]
	u, err := d.engine.CreateUser(setup, models.User{Name: "demo", Admin: true, AllowSelfManagement: true}, password)
	if err != nil {
		return nil, "", err
	}
	acting := models.Actor{Kind: models.ActorUser, UserID: u.ID, Name: u.Name, Admin: true, Surface: "cli"}
	return models.WithActor(ctx, acting), "demo " + password, nil
}
