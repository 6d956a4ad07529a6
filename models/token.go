package models

import (
	"strings"
	"time"
	"unicode/utf8"
)

// TokenID names a token.
type TokenID string

// Token lets a program act for its user on the API, as "Authorization: Bearer",
// within a scope and for a time. Only the hash of its text is stored.
type Token struct {
	ID        TokenID   `gorm:"primaryKey;size:36"`
	UserID    UserID    `gorm:"size:36;not null;index"`
	Name      string    `gorm:"size:64;not null"`
	Hash      string    `gorm:"size:64;not null;uniqueIndex"` // SHA-256 of the text, hex
	Scope     Scope     `gorm:"serializer:json"`
	CreatedAt time.Time `gorm:"not null"`
	ExpiresAt time.Time `gorm:"not null;index"`
	LastUsed  *time.Time
}

// TokenPrefix begins the text of every token, so that people and scanners know
// one when they see it.
const TokenPrefix = "opsyard_"

// MaxTokenAge is the longest that a token or a key with an end may last.
const MaxTokenAge = 366 * 24 * time.Hour

// Normalize trims the name.
func (t *Token) Normalize() { t.Name = strings.TrimSpace(t.Name) }

// Validate refuses a token without name, end or sense.
func (t *Token) Validate(now time.Time) error {
	if n := utf8.RuneCountInString(t.Name); n == 0 || n > 64 || !printable(t.Name) {
		return InvalidField("Name", "Name: use 1 to 64 characters, so that you know later what it is for.")
	}
	if err := checkExpiry(t.ExpiresAt, now); err != nil {
		return err
	}
	return t.Scope.Validate()
}

func checkExpiry(at, now time.Time) error {
	if !at.After(now) || at.Sub(now) > MaxTokenAge {
		return InvalidField("ExpiresAt", "Expires: choose a time within the next year.")
	}
	return nil
}

// CheckLimits refuses a scope and an end that make no sense; a key may go
// without end.
func (k *AccessKey) CheckLimits(now time.Time) error {
	if k.ExpiresAt != nil {
		if err := checkExpiry(*k.ExpiresAt, now); err != nil {
			return err
		}
	}
	return k.Scope.Validate()
}

// Expired tells whether the key has come to its end.
func (k *AccessKey) Expired(now time.Time) bool {
	return k.ExpiresAt != nil && !now.Before(*k.ExpiresAt)
}
