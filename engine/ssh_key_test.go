package engine

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"math/big"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// What is written to authorized_keys is one key that can still be trusted.
func TestSSHPublicKey(t *testing.T) {
	t.Parallel()
	line := func(public any) string {
		return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(must(ssh.NewPublicKey(public))(t))))
	}
	modulus := func(bits uint) *rsa.PublicKey { // of a key that nobody has
		n := new(big.Int).Lsh(big.NewInt(1), bits-1)
		return &rsa.PublicKey{N: n.SetBit(n, 0, 1), E: 65537}
	}
	curve := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	for name, c := range map[string]struct{ text, problem string }{
		"none":            {" \n", ""},
		"Ed25519":         {aKey, ""},
		"ECDSA":           {line(&curve.PublicKey) + " ana@laptop", ""},
		"long RSA":        {line(modulus(2048)), ""},
		"short RSA":       {line(modulus(2047)), "at least 2048 bits"},
		"broken RSA":      {line(modulus(1024)), "at least 2048 bits"},
		"options":         {`command="id" ` + aKey, "without options"},
		"two keys":        {aKey + "\n" + aKey, "one public key"},
		"a private key":   {"-----BEGIN OPENSSH PRIVATE KEY-----", "one public key"},
		"a line too long": {aKey + strings.Repeat("x", maxSSHKey), "one public key"},
	} {
		got, err := sshPublicKey(c.text)
		if c.problem == "" && (err != nil || got != strings.TrimSpace(c.text)) {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
		if c.problem != "" && (err == nil || !strings.Contains(err.Error(), c.problem)) {
			t.Errorf("%s: got %v, want %q", name, err, c.problem)
		}
	}
}
