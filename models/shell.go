package models

import "time"

// Limits of a shell in the browser.
const (
	ShellIdle     = 15 * time.Minute // in which nothing is typed and nothing is shown
	ShellAbsolute = 8 * time.Hour
	ShellMost     = 4        // of one user on one instance at a time
	ShellMaxBytes = 64 << 20 // of one recording; a shell that shows more ends
)

// Actions about shells in the browser. The level is not enough for ActionOpenShell:
// who may not log in to the stack's instances (Rights.MayLogIn) gets none, and
// an administrator has to give themselves SSH first.
const (
	ActionOpenShell     Action = "OpenShell"
	ActionReadRecording Action = "ReadShellRecording" // of other people
)

// ShellSession is one shell that somebody had in the browser, and its
// recording. It outlives its instance and stack until its time is over: who may
// delete those must not thereby hide what was done.
type ShellSession struct {
	ID         ShellID    `gorm:"primaryKey;size:36"`
	StackID    StackID    `gorm:"size:36;not null;index"`
	InstanceID InstanceID `gorm:"size:36;not null;index:shell_instance,priority:1"`
	Hostname   string     `gorm:"size:63;not null"`
	UserID     UserID     `gorm:"size:36;not null;index"`
	UserName   string     `gorm:"size:64;not null"` // at the time
	Account    string     `gorm:"size:64;not null"` // on the instance
	StartedAt  time.Time  `gorm:"not null;index;index:shell_instance,priority:2"`
	// SeenAt is when its server last wrote of it: one that was killed is missed.
	SeenAt  time.Time `gorm:"not null"`
	EndedAt *time.Time
	Why     string `gorm:"size:255;not null"` // it ended
	// Shown is how many bytes the terminal has shown, Bytes the size of the recording.
	Shown int64 `gorm:"not null"`
	Bytes int64 `gorm:"not null"`
}

// ShellChunk is a piece of a recording: some lines in the form of asciicast 2.
type ShellChunk struct {
	ShellID ShellID `gorm:"primaryKey;size:36"`
	Seq     int     `gorm:"primaryKey;autoIncrement:false"` // from 1, without holes
	Bytes   int     `gorm:"not null"`                       // unpacked
	Data    []byte  `gorm:"not null"`                       // zstd
}

// ShellSize is the size of a terminal.
type ShellSize struct{ Columns, Rows int }

// Bounded is the size that a terminal of that size gets: what nobody can see is
// not believed.
func (s ShellSize) Bounded() ShellSize {
	return ShellSize{Columns: min(max(s.Columns, 2), 500), Rows: min(max(s.Rows, 1), 300)}
}
