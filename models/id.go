package models

import (
	"crypto/rand"
	"encoding/hex"
	"time"
)

// The ids of the nouns are GUIDs, as in OpsWorks; each noun has a type of its own.
type (
	StackID        string
	LayerID        string
	InstanceID     string
	AppID          string
	DeploymentID   string
	CommandID      string
	UserID         string
	ServiceErrorID string
	VolumeID       string
	RaidArrayID    string
	ShellID        string
)

// NewID makes a GUID of any id type that begins with the time (version 7):
// rows made together lie together in an index, which large stacks need.
func NewID[T ~string]() T {
	var b [16]byte
	rand.Read(b[:]) // never fails, see crypto/rand
	now := time.Now().UnixMilli()
	for n := range 6 {
		b[n] = byte(now >> (40 - 8*n))
	}
	b[6] = b[6]&0x0f | 0x70
	b[8] = b[8]&0x3f | 0x80
	h := hex.EncodeToString(b[:])
	return T(h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:])
}
