package lifecycle

import (
	"crypto/sha256"
	"encoding/hex"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"opsyard/models"
)

// Servers are what serves data to the apps of a stack: registered databases, and
// the instances of its database and memcached layers.
type Servers struct {
	Registered        []models.RdsDbInstance
	DatabaseLayer     *models.Layer // nil: there is none
	DatabaseInstances []models.Instance
	CacheLayer        *models.Layer
	CacheInstances    []models.Instance
}

// Database is the database of an app; nil when it has none, or its layer no
// instance (OpsWorks: deploy attributes, database).
func (s Servers) Database(a models.App) *Database {
	if db := AppDatabase(a, s.Registered); db != nil {
		return db
	}
	db := s.served(a)
	if db == nil || db.Host == "" {
		return nil
	}
	return db
}

// Served are the databases that the instances of the database layer make, by
// their apps' short names.
func (s Servers) Served(apps []models.App) map[string]Database {
	all := map[string]Database{}
	for _, a := range apps {
		if db := s.served(a); db != nil {
			all[a.Shortname] = *db
		}
	}
	return all
}

func (s Servers) served(a models.App) *Database {
	for _, source := range a.DataSources {
		host, ok := s.databaseHost(source)
		if !ok {
			continue
		}
		password := s.DatabaseLayer.PasswordFor(string(a.ID))
		if password == "" {
			return nil // a password that anybody could work out is none
		}
		db := Database{
			Adapter: "mysql2", Port: 3306, DataSourceProvider: "mysql", Host: host, Password: password,
			Username: fit(a.Shortname, maxDatabaseUser, a.ID), Database: databaseName(a, source),
		}
		if s.DatabaseLayer.RunsOn() == models.EnginePostgresql {
			db.Adapter, db.Port, db.DataSourceProvider = "postgresql", 5432, "postgresql"
		}
		return &db
	}
	return nil
}

// databaseHost is the name of the instance that a data source means, and whether
// it means the database layer at all. An ARN names the layer or one of its
// instances.
func (s Servers) databaseHost(d models.DataSource) (string, bool) {
	if s.DatabaseLayer == nil {
		return "", false
	}
	switch {
	case d.Type == models.DataSourceAutoSelect, d.Type == models.DataSourceMysql && (d.Arn == "" || d.Arn == s.DatabaseLayer.Arn):
		return firstHost(s.DatabaseInstances), true
	case d.Type == models.DataSourceMysql:
		for _, i := range s.DatabaseInstances {
			if i.Arn == d.Arn {
				return i.Hostname, true
			}
		}
	}
	return "", false
}

// firstHost is the first instance by host name, whatever its state: apps must not
// be sent to another server, with other data, while theirs is away. It is a name
// and no address: each Configure brings the names of all online instances to
// every instance, so an app finds its database also when that starts later than
// the app, or comes back elsewhere.
func firstHost(instances []models.Instance) string {
	if len(instances) == 0 {
		return ""
	}
	return slices.MinFunc(instances, func(a, b models.Instance) int { return strings.Compare(a.Hostname, b.Hostname) }).Hostname
}

// Limits that both kinds of servers keep: users of MySQL have 32 characters,
// names of PostgreSQL 63 bytes.
const (
	maxDatabaseUser = 32
	maxDatabaseName = 63
)

func databaseName(a models.App, d models.DataSource) string {
	if d.DatabaseName != "" {
		return fit(d.DatabaseName, maxDatabaseName, a.ID)
	}
	return fit(a.Shortname, maxDatabaseName, a.ID)
}

var plainName = regexp.MustCompile(`\A[A-Za-z0-9_][A-Za-z0-9_.$-]*\z`)

// fit is the name, if servers take it and it is none of their own. If not, it is
// as much of it as they take, with a mark of the app, so that no two become one.
func fit(name string, limit int, app models.AppID) string {
	if len(name) <= limit && plainName.MatchString(name) && !models.ReservedDatabaseName(name) {
		return name
	}
	clean := strings.Map(func(r rune) rune {
		if r < 128 && plainName.MatchString("a"+string(r)) {
			return r
		}
		return '_'
	}, name)
	sum := sha256.Sum256([]byte(string(app) + "\n" + name))
	mark := "_" + hex.EncodeToString(sum[:8])
	clean = strings.TrimLeft(clean, ".$-")
	if models.ReservedDatabaseName(clean) {
		clean = "app_" + clean
	}
	return clean[:min(len(clean), limit-len(mark))] + mark
}

// CacheEnvironment is how apps reach the memcached layer: MEMCACHED_SERVERS, or
// REDIS_URL with a password. Nothing while there is none.
func (s Servers) CacheEnvironment() map[string]string {
	if s.CacheLayer == nil {
		return nil
	}
	if s.CacheLayer.RunsOn() == models.EngineRedis {
		host, password := firstHost(s.CacheInstances), s.CachePassword()
		if host == "" || password == "" {
			return nil
		}
		address := url.URL{Scheme: "redis", User: url.UserPassword("", password), Host: net.JoinHostPort(host, "6379"), Path: "/0"}
		return map[string]string{"REDIS_URL": address.String()}
	}
	var servers []string
	for _, i := range s.CacheInstances {
		if i.Status == models.InstanceOnline && i.PrivateIP != "" {
			servers = append(servers, net.JoinHostPort(i.PrivateIP, strconv.Itoa(memcachedServerPort)))
		}
	}
	if len(servers) == 0 {
		return nil
	}
	slices.Sort(servers)
	return map[string]string{"MEMCACHED_SERVERS": strings.Join(servers, ",")}
}

const memcachedServerPort = 11211

// CachePassword is the password of the memcached layer's Redis; empty for
// Memcached, which has none.
func (s Servers) CachePassword() string {
	if s.CacheLayer == nil || s.CacheLayer.RunsOn() != models.EngineRedis {
		return ""
	}
	return s.CacheLayer.PasswordFor(models.EngineRedis)
}
