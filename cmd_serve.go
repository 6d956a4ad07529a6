package main

import (
	"context"
	"fmt"
	"time"

	"opsyard/engine"
	"opsyard/models"
)

// serveFlags are the settings of a server.
type serveFlags struct {
	dataFlags
	Listen           string        `help:"Address of the console and the agents." default:"127.0.0.1:8080"`
	AdminListen      string        `help:"Address of metrics and profiles; empty for none." default:"127.0.0.1:8081"`
	Provider         string        `help:"What makes the machines of new stacks: ${enum}." enum:"auto,local,process,sim" default:"auto"`
	Image            string        `help:"Root file system of local machines: auto, host, debootstrap:SUITE or dir:PATH." default:"auto"`
	PublicURL        string        `help:"Address that people use, when a proxy stands in front."`
	TrustedProxies   []string      `help:"Addresses or networks of proxies whose X-Forwarded-For is believed."`
	LogStore         string        `help:"Directory for the logs of finished commands. Default: logs in the data directory."`
	Ephemeral        bool          `help:"Terminate all machines of this host when the server stops."`
	MetricsRetention time.Duration `help:"How long each minute of metrics is kept; hours are kept for 15 days." default:"192h"`
	ShellRetention   time.Duration `help:"How long the recordings of shells in the browser are kept." default:"2160h"`
	Prometheus       string        `help:"Address of a Prometheus server that alarms can ask."`
	notifyFlags
	oidcFlags
	auditFlags
	limitFlags
	Dev bool `help:"Offer pages for developers of the console." hidden:""`
}

// limitFlags bound what the installation can hold.
type limitFlags struct {
	MaxStacks    int `help:"Most stacks; 0 for no limit."`
	MaxLayers    int `help:"Most layers of a stack; 0 for no limit."`
	MaxInstances int `help:"Most instances of a stack; 0 for no limit."`
	MaxApps      int `help:"Most apps of a stack; 0 for no limit."`
}

func (f limitFlags) limits() engine.Limits {
	return engine.Limits{Stacks: f.MaxStacks, Layers: f.MaxLayers, Instances: f.MaxInstances, Apps: f.MaxApps}
}

type serveCmd struct {
	serveFlags
	LogLevel string `help:"Least level to log: ${enum}." enum:"debug,info,warn,error" default:"info"`
}

// Run serves until it is told to stop.
func (c *serveCmd) Run(ctx context.Context) error {
	if err := checkURL(c.PublicURL); err != nil {
		return err
	}
	log := newLog(c.LogLevel)
	s, err := newServer(ctx, c.serveFlags, log, engine.Times{})
	if err != nil {
		return err
	}
	fmt.Println("console ", s.publicURL())
	if err := s.inviteFirst(ctx); err != nil {
		s.close()
		return err
	}
	return s.serve(ctx)
}

// inviteFirst prints the one-time set-up address while nobody can sign in.
func (s *server) inviteFirst(ctx context.Context) error {
	needed, err := s.engine.SetupNeeded(ctx)
	if err != nil || !needed {
		return err
	}
	token, err := s.engine.NewSetupToken(models.AsEngine(ctx))
	if err != nil {
		return err
	}
	fmt.Printf("setup    %s/setup/%s\n", s.publicURL(), token)
	return nil
}
