package models

import "time"

// LogChunk is a stored piece of a command's output while the command runs;
// when the log is complete, the chunks become one LogBlob.
type LogChunk struct {
	CommandID CommandID `gorm:"primaryKey;size:36"`
	Seq       int64     `gorm:"primaryKey;autoIncrement:false"` // from 1, without holes
	Offset    int64     `gorm:"not null"`                       // bytes of the log before this chunk
	Bytes     int       `gorm:"not null"`                       // length unpacked
	// FirstLine is the number of complete lines before this chunk, so the
	// chunk's first byte belongs to line FirstLine (counted from 0).
	FirstLine int64 `gorm:"not null"`
	Lines     int   `gorm:"not null"` // newlines in this chunk
	// Sgr is the terminal style in force at the chunk's first byte, as the
	// parameters of an SGR sequence ("1;31"), empty for plain.
	Sgr  string    `gorm:"size:64"`
	At   time.Time `gorm:"not null"` // host time of its first byte
	Data []byte    `gorm:"not null"` // zstd
}

// LogBlob describes a finished log in the blob store.
type LogBlob struct {
	CommandID CommandID `gorm:"primaryKey;size:36"`
	Key       string    `gorm:"size:255;not null"` // in the blob store
	Bytes     int64     `gorm:"not null"`
	Lines     int64     `gorm:"not null"`
	LastSeq   int64     `gorm:"not null"`
	SHA256    string    `gorm:"size:64;not null"` // of the plain text
	Index     []byte    `gorm:"not null"`         // logstream's own line index
	CreatedAt time.Time `gorm:"not null"`
}

// LogStep is a part of a run: a phase, a recipe or a resource, with its place
// in the log.
type LogStep struct {
	CommandID CommandID `gorm:"primaryKey;size:36"`
	Index     int       `gorm:"primaryKey;autoIncrement:false"`
	Parent    int       `gorm:"not null"` // -1 for none
	Kind      string    `gorm:"size:16;not null"`
	Name      string    `gorm:"size:255;not null"`
	FirstLine int64     `gorm:"not null"`
	LastLine  int64     `gorm:"not null"` // exclusive; -1 while it is open
	StartedAt time.Time `gorm:"not null"`
	EndedAt   *time.Time
	Result    string `gorm:"size:16"` // empty while it is open
	Changed   int    `gorm:"not null;default:0"`
	Unchanged int    `gorm:"not null;default:0"`
}
