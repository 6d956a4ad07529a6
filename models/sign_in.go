package models

import "time"

// SignInMethod is how somebody has proved who they are.
type SignInMethod string

// Methods of signing in.
const (
	SignInPassword SignInMethod = "password"
	SignInPasskey  SignInMethod = "passkey"
	SignInOIDC     SignInMethod = "oidc"
	SignInRecovery SignInMethod = "recovery" // an account's recovery code in place of the password
)

// InvitationID names an invitation.
type InvitationID string

// PasskeyID names a passkey.
type PasskeyID string

// SignInStepLimit is how long a half-made sign-in waits for its other half.
const SignInStepLimit = 10 * time.Minute

// SignedIn is how far a sign-in has come: either a session is open, or a second
// factor is still to be shown.
type SignedIn struct {
	User     *User
	Cookie   string // of the session; empty while a second factor is missing
	Step     string // names the half-made sign-in while a second factor is missing
	Codes    bool   // the second factor may be a code
	Passkeys bool   // the second factor may be a passkey
}

// Browser is where a sign-in comes from.
type Browser struct{ Addr, UserAgent string }

// Proof is what somebody shows to prove who they are; one of its parts is enough.
type Proof struct {
	Password string
	Code     string // of the authenticator app, or a recovery code
	// Passkey is a browser's answer to the challenge of that name.
	Challenge string
	Passkey   []byte
}

// Challenge is what the server remembers between two requests of one sign-in:
// a second factor that is missing, a passkey or a provider that is asked. Only
// the hash of its name is stored; it is good once and not for long.
type Challenge struct {
	Hash      string    `gorm:"primaryKey;size:64"`
	Kind      string    `gorm:"size:16;not null"`
	UserID    UserID    `gorm:"size:36;index"` // empty: not known yet
	Data      string    `gorm:"serializer:secret"`
	Tries     int       `gorm:"not null;default:0"`
	CreatedAt time.Time `gorm:"not null"`
	ExpiresAt time.Time `gorm:"not null;index"`
}

// RecoveryCode works once when something else is lost. Only its hash is stored.
type RecoveryCode struct {
	Hash   string `gorm:"primaryKey;size:64"`
	UserID UserID `gorm:"size:36;not null;index"`
	// Account: it stands for a forgotten password. The others stand for the
	// second factor.
	Account   bool      `gorm:"not null;default:false"`
	CreatedAt time.Time `gorm:"not null"`
	UsedAt    *time.Time
}

// RecoveryCodes is how many a person gets at once.
const RecoveryCodes = 10

// Passkey is a person's public key of WebAuthn.
type Passkey struct {
	ID         PasskeyID `gorm:"primaryKey;size:64"` // SHA-256 of the credential's own id, hex
	UserID     UserID    `gorm:"size:36;not null;index"`
	Name       string    `gorm:"size:64"`
	Credential string    `gorm:"not null"` // JSON of the library: public key, flags and counter
	CreatedAt  time.Time `gorm:"not null"`
	LastUsed   *time.Time
}

// Identity ties a user to who they are at an OpenID provider. The subject is
// the provider's own name for them and never given to somebody else.
type Identity struct {
	Issuer    string    `gorm:"primaryKey;size:255"`
	Subject   string    `gorm:"primaryKey;size:255"`
	UserID    UserID    `gorm:"size:36;not null;index"`
	CreatedAt time.Time `gorm:"not null"`
	LastUsed  time.Time `gorm:"not null"`
}

// Claims are what an OpenID provider says of somebody.
type Claims struct {
	Issuer, Subject string
	Name            string // preferred_username
	Email           string
	Groups          []string
	HasGroups       bool      // Groups are all; else nothing was said of groups, which changes none
	AuthenticatedAt time.Time // auth_time; zero when the provider does not say, though it was asked
}

// SignInAddress is an address that a user has signed in from.
type SignInAddress struct {
	UserID  UserID    `gorm:"primaryKey;size:36"`
	Addr    string    `gorm:"primaryKey;size:64"`
	FirstAt time.Time `gorm:"not null"`
	LastAt  time.Time `gorm:"not null"`
}

// Invitation lets somebody become a user by a link. Only the hash of the
// link's token is stored.
type Invitation struct {
	ID        InvitationID `gorm:"primaryKey;size:36"`
	Hash      string       `gorm:"size:64;not null;uniqueIndex" json:"-"`
	Name      string       `gorm:"size:64"` // the sign-in name; empty: they choose
	Email     string       `gorm:"size:255"`
	Admin     bool         `gorm:"not null"`
	StackID   StackID      `gorm:"size:36;index"` // where they get Level; empty for none
	Level     Level        `gorm:"size:16"`
	GroupID   GroupID      `gorm:"size:36;index"` // the group that they join; empty for none
	InvitedBy UserID       `gorm:"size:36;index"` // empty: the command line of the server
	Inviter   string       `gorm:"size:64"`       // their name
	CreatedAt time.Time    `gorm:"not null"`
	ExpiresAt time.Time    `gorm:"not null"`
	UsedAt    *time.Time
	UserID    UserID `gorm:"size:36"` // who they have become
}

// InvitationLimit is how long an invitation is good.
const InvitationLimit = 7 * 24 * time.Hour

// Validate refuses an invitation that cannot be kept.
func (i *Invitation) Validate() error {
	if i.Name != "" && !userNamePattern.MatchString(i.Name) {
		return (&User{Name: i.Name}).Validate()
	}
	if len(i.Email) > 255 {
		return InvalidField("Email", "Email: use at most 255 characters.")
	}
	if (i.StackID == "") != (i.Level == "") {
		return InvalidField("Level", "Level: name a stack and the level there, or neither.")
	}
	if i.Level != "" && !contains(Levels, i.Level) {
		return InvalidField("Level", "Level: must be deny, iam_only, show, deploy or manage.")
	}
	return nil
}
