package models

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// GroupID names a group.
type GroupID string

// Group is a number of users who have the same permissions. OpsWorks had none:
// there, groups were IAM's.
type Group struct {
	ID        GroupID   `gorm:"primaryKey;size:36"`
	Name      string    `gorm:"size:64;not null;uniqueIndex"`
	CreatedAt time.Time `gorm:"not null"`
	UpdatedAt time.Time `gorm:"not null"`
	// OIDCClaim is what an OpenID provider calls the group. Who signs in there is
	// a member as long as the provider says so; empty: the provider says nothing.
	OIDCClaim string `gorm:"size:255"`
}

// Normalize trims the name.
func (g *Group) Normalize() { g.Name = strings.TrimSpace(g.Name) }

// Validate refuses a name that nobody can read.
func (g *Group) Validate() error {
	if n := utf8.RuneCountInString(g.Name); n == 0 || n > 64 || !printable(g.Name) {
		return InvalidField("Name", "Name: use 1 to 64 characters.")
	}
	return nil
}

func printable(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}

// GroupMember is a user in a group.
type GroupMember struct {
	GroupID GroupID `gorm:"primaryKey;size:36"`
	UserID  UserID  `gorm:"primaryKey;size:36;index"`
}

// GroupPermission is a group's level in a stack.
type GroupPermission struct {
	StackID   StackID `gorm:"primaryKey;size:36"`
	GroupID   GroupID `gorm:"primaryKey;size:36;index"`
	Level     Level   `gorm:"size:16;not null"`
	AllowSSH  bool
	AllowSudo bool
	UpdatedAt time.Time `gorm:"not null"`
}

// Validate refuses a permission that means nothing.
func (p *GroupPermission) Validate() error {
	own := Permission{Level: p.Level, AllowSSH: p.AllowSSH, AllowSudo: p.AllowSudo}
	return own.Validate()
}
