package migrations

import (
	"time"

	"gorm.io/gorm"
)

// registeredInstances keeps the keys that registered hosts bring, and the
// remote accesses that are to be taken away again.
func registeredInstances(db *gorm.DB) error {
	type Instance struct {
		RSAPublicKey            string
		RSAPublicKeyFingerprint string `gorm:"size:128"`
	}
	type RemoteAccess struct {
		InstanceID string    `gorm:"primaryKey;size:36"`
		Username   string    `gorm:"primaryKey;size:20"`
		StackID    string    `gorm:"size:36;not null"`
		Password   string    // encrypted
		GrantID    string    `gorm:"size:36;not null;index"`
		RevokeID   string    `gorm:"size:36"`
		GrantedBy  string    `gorm:"size:64"`
		CreatedAt  time.Time `gorm:"not null"`
		ExpiresAt  time.Time `gorm:"not null;index"`
	}
	for _, column := range []string{"RSAPublicKey", "RSAPublicKeyFingerprint"} {
		if err := db.Migrator().AddColumn(&Instance{}, column); err != nil {
			return err
		}
	}
	return db.Migrator().CreateTable(&RemoteAccess{})
}
