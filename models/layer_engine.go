package models

import (
	"slices"
	"strings"
)

// Engines of layers: what their type is served by, where there is a choice.
// OpsWorks has none; its layers were MySQL and Memcached.
const (
	EngineMysql      = "mysql" // MySQL or MariaDB, whichever the distribution has
	EnginePostgresql = "postgresql"
	EngineMemcached  = "memcached"
	EngineRedis      = "redis"
	// EngineProgram makes a custom layer run the programs of its apps as services.
	EngineProgram = "program"
)

var engines = map[LayerType][]string{
	LayerDBMaster:  {EngineMysql, EnginePostgresql},
	LayerMemcached: {EngineMemcached, EngineRedis},
	LayerCustom:    {"", EngineProgram},
}

// Engines are what layers of the type can be served by, the usual one first;
// nil for types that leave no choice. The empty one is none.
func (t LayerType) Engines() []string { return engines[t] }

// RunsOn is the layer's engine: the usual one of its type where none is chosen.
func (l *Layer) RunsOn() string {
	if of := l.Type.Engines(); l.Engine == "" && len(of) > 0 {
		return of[0]
	}
	return l.Engine
}

func (l *Layer) validateEngine() error {
	of := l.Type.Engines()
	switch {
	case l.Engine == "" || slices.Contains(of, l.Engine):
		return nil
	case len(of) == 0:
		return InvalidField("Engine", "Engine: %s layers leave no choice of it.", l.Type)
	}
	names := slices.DeleteFunc(slices.Clone(of), func(s string) bool { return s == "" })
	return InvalidField("Engine", "Engine: must be %s for %s layers.", strings.Join(names, " or "), l.Type)
}
