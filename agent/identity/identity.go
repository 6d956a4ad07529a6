// Package identity keeps who the agent is: its key, made on the machine and
// never leaving it, and the instance that the server says it is.
package identity

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"opsyard/agent/atomicfile"
	"opsyard/agent/protocol"
)

// Identity is the content of identity.json.
type Identity struct {
	// InstanceID is empty from the making of the key until the server has
	// answered: a repeat of the enrolment must use the same key.
	InstanceID string `json:"instance_id"`
	Hostname   string `json:"hostname"`
	Seed       []byte `json:"seed"`
	// Token is the SHA-256 of the token that the identity was got with, to
	// tell a new token from one that is used up.
	Token string `json:"token"`
}

// Load reads the identity, which is nil if there is none.
func Load(dir string) (*Identity, error) {
	raw, err := os.ReadFile(path(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read identity: %w", err)
	}
	id := new(Identity)
	if err := json.Unmarshal(raw, id); err != nil || len(id.Seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("read identity: %s is damaged: remove it and enrol with a new token", path(dir))
	}
	return id, nil
}

// New makes a key for an enrolment with the token.
func New(token string) (*Identity, error) {
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	return &Identity{Seed: private.Seed(), Token: hash(token)}, nil
}

// Save writes the identity durably, readable for the owner alone.
func (id *Identity) Save(dir string) error {
	raw, err := json.Marshal(id)
	if err != nil {
		return fmt.Errorf("save identity: %w", err)
	}
	if err := atomicfile.Write(path(dir), raw); err != nil {
		return fmt.Errorf("save identity: %w", err)
	}
	return nil
}

// Remove forgets the identity, if there is one.
func Remove(dir string) error {
	if err := os.Remove(path(dir)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove identity: %w", err)
	}
	return nil
}

// From tells whether the identity was made for this token.
func (id *Identity) From(token string) bool { return id.Token == hash(token) }

// PublicKey is the key that the server knows.
func (id *Identity) PublicKey() []byte {
	return ed25519.NewKeyFromSeed(id.Seed).Public().(ed25519.PublicKey)
}

// Sign answers a server's challenge.
func (id *Identity) Sign(nonce []byte) []byte {
	return ed25519.Sign(ed25519.NewKeyFromSeed(id.Seed), protocol.SignedText(nonce, id.InstanceID))
}

func path(dir string) string { return filepath.Join(dir, "identity.json") }

func hash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}
