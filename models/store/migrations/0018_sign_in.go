package migrations

import (
	"time"

	"gorm.io/gorm"
)

// signIn makes what second factors, passkeys, recovery codes, invitations and
// OpenID providers need.
func signIn(db *gorm.DB) error {
	type User struct {
		TOTPSecret string
		TOTPSince  *time.Time
		TOTPStep   int64 `gorm:"not null;default:0"`
		WrongTries int   `gorm:"not null;default:0"`
	}
	type Session struct {
		Method      string `gorm:"size:16"`
		ConfirmedAt *time.Time
		Notice      string
	}
	type Challenge struct {
		Hash      string `gorm:"primaryKey;size:64"`
		Kind      string `gorm:"size:16;not null"`
		UserID    string `gorm:"size:36;index"`
		Data      string
		Tries     int       `gorm:"not null;default:0"`
		CreatedAt time.Time `gorm:"not null"`
		ExpiresAt time.Time `gorm:"not null;index"`
	}
	type RecoveryCode struct {
		Hash      string    `gorm:"primaryKey;size:64"`
		UserID    string    `gorm:"size:36;not null;index"`
		Account   bool      `gorm:"not null;default:false"`
		CreatedAt time.Time `gorm:"not null"`
		UsedAt    *time.Time
	}
	type Passkey struct {
		ID         string    `gorm:"primaryKey;size:64"`
		UserID     string    `gorm:"size:36;not null;index"`
		Name       string    `gorm:"size:64"`
		Credential string    `gorm:"not null"`
		CreatedAt  time.Time `gorm:"not null"`
		LastUsed   *time.Time
	}
	type Identity struct {
		Issuer    string    `gorm:"primaryKey;size:255"`
		Subject   string    `gorm:"primaryKey;size:255"`
		UserID    string    `gorm:"size:36;not null;index"`
		CreatedAt time.Time `gorm:"not null"`
		LastUsed  time.Time `gorm:"not null"`
	}
	type SignInAddress struct {
		UserID  string    `gorm:"primaryKey;size:36"`
		Addr    string    `gorm:"primaryKey;size:64"`
		FirstAt time.Time `gorm:"not null"`
		LastAt  time.Time `gorm:"not null"`
	}
	type Invitation struct {
		ID        string    `gorm:"primaryKey;size:36"`
		Hash      string    `gorm:"size:64;not null;uniqueIndex"`
		Name      string    `gorm:"size:64"`
		Email     string    `gorm:"size:255"`
		Admin     bool      `gorm:"not null"`
		StackID   string    `gorm:"size:36;index"`
		Level     string    `gorm:"size:16"`
		GroupID   string    `gorm:"size:36;index"`
		InvitedBy string    `gorm:"size:36;index"`
		Inviter   string    `gorm:"size:64"`
		CreatedAt time.Time `gorm:"not null"`
		ExpiresAt time.Time `gorm:"not null"`
		UsedAt    *time.Time
		UserID    string `gorm:"size:36"`
	}
	type Group struct {
		OIDCClaim string `gorm:"size:255"`
	}
	if err := db.Migrator().AddColumn(&Group{}, "OIDCClaim"); err != nil {
		return err
	}
	for _, column := range []string{"TOTPSecret", "TOTPSince", "TOTPStep", "WrongTries"} {
		if err := db.Migrator().AddColumn(&User{}, column); err != nil {
			return err
		}
	}
	for _, column := range []string{"Method", "ConfirmedAt", "Notice"} {
		if err := db.Migrator().AddColumn(&Session{}, column); err != nil {
			return err
		}
	}
	return db.Migrator().CreateTable(&Challenge{}, &RecoveryCode{}, &Passkey{}, &Identity{}, &SignInAddress{}, &Invitation{})
}
