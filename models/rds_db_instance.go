package models

import (
	"regexp"
	"strings"
	"time"
)

// RdsDbInstance is a database server that is registered with a stack, for its
// apps. OpsWorks: RdsDbInstance.
type RdsDbInstance struct {
	Arn                  string  `gorm:"primaryKey;size:255"` // one stack at a time
	StackID              StackID `gorm:"size:36;not null;index"`
	DbInstanceIdentifier string  `gorm:"size:64;not null"`
	Region               string  `gorm:"size:64"`
	DbUser               string  `gorm:"size:255"`
	DbPassword           string  `gorm:"serializer:secret"`
	// What only the cloud could tell; people may, where no cloud does.
	Address   string `gorm:"size:255"`
	Port      int
	Engine    string    `gorm:"size:64"` // mysql, postgres, …
	CreatedAt time.Time `gorm:"not null"`
	UpdatedAt time.Time `gorm:"not null"`
}

// MissingOnRds tells that nobody has said yet where the database is.
func (r *RdsDbInstance) MissingOnRds() bool { return r.Address == "" }

// rdsArnPattern finds the region and the identifier.
var rdsArnPattern = regexp.MustCompile(`\Aarn:aws[a-z-]*:rds:([a-z0-9-]{1,64}):\d{12}:db:([A-Za-z][A-Za-z0-9-]{0,62})\z`)

var (
	hostAddressPattern = regexp.MustCompile(`\A[A-Za-z0-9:]([A-Za-z0-9.:-]*[A-Za-z0-9])?\z`)
	enginePattern      = regexp.MustCompile(`\A[a-z][a-z0-9-]*\z`)
)

// Normalize fills what the ARN tells.
func (r *RdsDbInstance) Normalize() {
	r.Arn, r.DbUser = strings.TrimSpace(r.Arn), strings.TrimSpace(r.DbUser)
	r.Address, r.Engine = strings.TrimSpace(r.Address), strings.ToLower(strings.TrimSpace(r.Engine))
	if parts := rdsArnPattern.FindStringSubmatch(r.Arn); parts != nil {
		r.Region, r.DbInstanceIdentifier = parts[1], parts[2]
	}
}

// Validate refuses what cannot be a database. User and password are not tried
// out (OpsWorks: RegisterRdsDbInstance).
func (r *RdsDbInstance) Validate() error {
	if !rdsArnPattern.MatchString(r.Arn) {
		return InvalidField("RdsDbInstanceArn", "Rds db instance arn: %q is not the ARN of a database, such as arn:aws:rds:us-east-1:123456789012:db:orders.", clipped(r.Arn))
	}
	if err := checkName("DbUser", r.DbUser, 255); err != nil {
		return err
	}
	switch {
	case r.DbPassword == "":
		return InvalidField("DbPassword", "Db password: is missing.")
	case len(r.DbPassword) > 1024:
		return InvalidField("DbPassword", "Db password: is too long (maximum is 1024 bytes).")
	case r.Address != "" && (len(r.Address) > 255 || !hostAddressPattern.MatchString(r.Address)):
		return InvalidField("Address", "Address: %q is not the name or address of a host.", clipped(r.Address))
	case r.Port < 0 || r.Port > 65535:
		return InvalidField("Port", "Port: must be 1 to 65535.")
	case r.Engine != "" && (len(r.Engine) > 64 || !enginePattern.MatchString(r.Engine)):
		return InvalidField("Engine", "Engine: %q is not the name of a database engine, such as mysql.", clipped(r.Engine))
	}
	return nil
}

// PortOrDefault is the port, or the engine's usual one; 0 when neither is known.
func (r *RdsDbInstance) PortOrDefault() int {
	if r.Port != 0 {
		return r.Port
	}
	for prefix, port := range map[string]int{"mysql": 3306, "mariadb": 3306, "aurora-postgresql": 5432, "aurora-mysql": 3306, "postgres": 5432, "oracle": 1521, "sqlserver": 1433} {
		if strings.HasPrefix(r.Engine, prefix) {
			return port
		}
	}
	if r.Engine == "aurora" {
		return 3306
	}
	return 0
}
