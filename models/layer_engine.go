package models

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
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

// PasswordFor derives a password for one use of the layer's servers, such as the
// id of an app. It is the same each time and is stored nowhere. Empty: the layer
// has nothing to derive it from.
func (l *Layer) PasswordFor(use string) string {
	key := l.Secret
	if key == "" { // a layer of before there were secrets
		key = l.Attributes["MysqlRootPassword"]
	}
	if key == "" {
		return ""
	}
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(use))
	return hex.EncodeToString(mac.Sum(nil))[:32]
}

// reservedDatabases are names of databases and users that servers have of their
// own, and opsyard's.
var reservedDatabases = []string{
	"mysql", "information_schema", "performance_schema", "sys", "test", "root", "mariadb.sys", "debian-sys-maint",
	"postgres", "template0", "template1", "public", "replication", "all", "sameuser", "samerole", "opsyard",
}

// ReservedDatabaseName tells whether database servers use the name themselves.
func ReservedDatabaseName(name string) bool {
	return slices.Contains(reservedDatabases, strings.ToLower(name)) || strings.HasPrefix(strings.ToLower(name), "pg_")
}
