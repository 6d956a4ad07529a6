package models

import "time"

// Content is a document that agents fetch by its digest: the state of a stack
// or what a command adds to it. It may hold secrets; the digest is the right
// to read it.
type Content struct {
	Digest    string    `gorm:"primaryKey;size:80"`           // "sha256:" and hex of the plain bytes
	Data      []byte    `gorm:"type:bytes;serializer:secret"` // gzip
	CreatedAt time.Time `gorm:"not null;index"`
}
