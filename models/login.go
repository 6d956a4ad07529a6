package models

import "time"

// Login is a user who may log in to the instances of a stack.
type Login struct {
	UserID       UserID
	Name         string // the sign-in name
	SSHUsername  string
	SSHPublicKey string
	UnixUID      int
	Sudo         bool
}

// AppliedAccounts is what an instance's agent has made of the users who may log
// in to it.
type AppliedAccounts struct {
	InstanceID InstanceID       `gorm:"primaryKey;size:36"`
	Revision   string           `gorm:"size:64;not null"` // of what was wanted
	Problem    string           `gorm:"not null;default:''"`
	Skipped    []SkippedAccount `gorm:"serializer:json"`
	At         time.Time        `gorm:"not null"`
}

// SkippedAccount is an account that is not on the instance as wanted, and why.
type SkippedAccount struct {
	Name   string
	Reason string
}

// AccountState is how far an account on an instance is.
type AccountState string

// States of an account.
const (
	AccountHere    AccountState = "here"
	AccountWaits   AccountState = "waiting" // for the instance's agent to say
	AccountSkipped AccountState = "skipped"
)

// InstanceAccount is somebody who may log in to an instance.
type InstanceAccount struct {
	Login
	State  AccountState
	Reason string // why it is skipped
}

// InstanceAccounts are the accounts on an instance.
type InstanceAccounts struct {
	Accounts []InstanceAccount
	// Problem is why the agent makes none.
	Problem string
	// Others are accounts of people who may not log in any more, and why the
	// agent could not remove them.
	Others []SkippedAccount
}

// Limits of an access for some time.
const (
	MinLogin = time.Minute
	MaxLogin = 30 * 24 * time.Hour
)

// CheckLogin refuses a time that access is not given for.
func CheckLogin(d time.Duration) error {
	if d < MinLogin || d > MaxLogin {
		return InvalidField("For", "For: access is given for one minute to 30 days.")
	}
	return nil
}
