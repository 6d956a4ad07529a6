package models

import (
	"regexp"
	"time"
)

// User is a person or a program with a sign-in. OpsWorks: UserProfile.
type User struct {
	ID                  UserID `gorm:"primaryKey;size:36"`
	Name                string `gorm:"size:64;not null;uniqueIndex"` // the sign-in name
	IamUserArn          string `gorm:"size:255;not null;uniqueIndex"`
	Email               string `gorm:"size:255"`
	PasswordHash        string // argon2id; empty: no sign-in by password
	Admin               bool
	SSHUsername         string `gorm:"size:32;uniqueIndex:user_ssh_username,where:ssh_username <> ''"`
	SSHPublicKey        string
	AllowSelfManagement bool
	UnixUID             int       // 2000 to 4000, fixed for life
	Theme               string    `gorm:"size:16"`
	CreatedAt           time.Time `gorm:"not null"`
	UpdatedAt           time.Time `gorm:"not null"`

	// TOTPSecret is what the person's authenticator app shares with us. It counts
	// from TOTPSince on, when a first code has proved that the app has it.
	TOTPSecret string `gorm:"serializer:secret"`
	TOTPSince  *time.Time
	TOTPStep   int64 `gorm:"not null;default:0"` // the last 30 seconds that a code was taken for: none is taken twice
	WrongTries int   `gorm:"not null;default:0"` // wrong passwords and codes since the last sign-in
}

var userNamePattern = regexp.MustCompile(`\A[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}\z`)

// Validate refuses a name that cannot be signed in with.
func (u *User) Validate() error {
	if !userNamePattern.MatchString(u.Name) {
		return InvalidField("Name", "Name: use 1 to 64 letters, digits and . _ @ + -, beginning with a letter or digit.")
	}
	return nil
}

// MinPassword is the least number of characters of a password.
const MinPassword = 12

// CheckPassword refuses passwords that are too short or endless.
func CheckPassword(password string) error {
	n := len([]rune(password))
	if n < MinPassword {
		return InvalidField("Password", "Password: use at least %d characters.", MinPassword)
	}
	if n > 256 {
		return InvalidField("Password", "Password: use at most 256 characters.")
	}
	return nil
}

// Session is a signed-in browser. Only the hash of its cookie is stored.
type Session struct {
	Hash      string    `gorm:"primaryKey;size:64"` // SHA-256 of the cookie, hex
	UserID    UserID    `gorm:"size:36;not null;index"`
	CreatedAt time.Time `gorm:"not null"`
	SeenAt    time.Time `gorm:"not null"`
	ExpiresAt time.Time `gorm:"not null;index"` // absolute
	Addr      string    `gorm:"size:64"`
	UserAgent string    `gorm:"size:255"`

	Method      SignInMethod `gorm:"size:16"`
	ConfirmedAt *time.Time   // when the person last proved who they are, if it was not at the sign-in
	Notice      string       // a sentence for the next page
}

// Confirmed is when the person of the session last proved who they are.
func (s *Session) Confirmed() time.Time {
	if s.ConfirmedAt != nil {
		return *s.ConfirmedAt
	}
	return s.CreatedAt
}

// Limits of a session.
const (
	SessionIdle     = 12 * time.Hour
	SessionAbsolute = 7 * 24 * time.Hour
)

// AccessKey signs API requests. The secret must be readable again to check
// signatures, so it is encrypted, not hashed.
type AccessKey struct {
	ID        string     `gorm:"primaryKey;size:32"` // AccessKeyId
	UserID    UserID     `gorm:"size:36;not null;index"`
	Secret    string     `gorm:"serializer:secret"`
	Scope     Scope      `gorm:"serializer:json"`
	CreatedAt time.Time  `gorm:"not null"`
	ExpiresAt *time.Time // nil for a key without end
	LastUsed  *time.Time
}

// EnrollToken lets an agent become an instance, once. Only its hash is stored.
type EnrollToken struct {
	Hash       string     `gorm:"primaryKey;size:64"`
	StackID    StackID    `gorm:"size:36;not null;index"`
	LayerID    LayerID    `gorm:"size:36"`       // for a host that registers itself
	InstanceID InstanceID `gorm:"size:36;index"` // for a machine the engine made
	CreatedBy  string     `gorm:"size:64"`
	CreatedAt  time.Time  `gorm:"not null"`
	ExpiresAt  time.Time  `gorm:"not null"`
	UsedAt     *time.Time
	UsedKey    []byte // the key it was used with: a repeat with it is answered alike
}

// SetupToken is the one-time address of the first-run page.
type SetupToken struct {
	Hash      string    `gorm:"primaryKey;size:64"`
	CreatedAt time.Time `gorm:"not null"`
}
