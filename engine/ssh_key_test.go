package engine

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"math/big"
	"strings"
	"testing"

	"opsyard/models"
	"opsyard/models/store/storetest"

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
	dsa := "ssh-dss " + base64.StdEncoding.EncodeToString(ssh.Marshal(struct {
		Kind       string
		P, Q, G, Y *big.Int
	}{"ssh-dss", modulus(1024).N, modulus(160).N, big.NewInt(2), big.NewInt(3)}))
	sk := "sk-ssh-ed25519@openssh.com " + base64.StdEncoding.EncodeToString(ssh.Marshal(struct {
		Kind, Key, App string
	}{"sk-ssh-ed25519@openssh.com", strings.Repeat("k", 32), "ssh:"}))
	curve := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	for name, c := range map[string]struct{ text, problem string }{
		"none":            {" \n", ""},
		"Ed25519":         {aKey, ""},
		"ECDSA":           {line(&curve.PublicKey) + " ana@laptop", ""},
		"security key":    {sk, ""},
		"long RSA":        {line(modulus(2048)), ""},
		"short RSA":       {line(modulus(2047)), "at least 2048 bits"},
		"broken RSA":      {line(modulus(1024)), "at least 2048 bits"},
		"DSA":             {dsa, "can still be trusted"},
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

// A key that an earlier version took holds up no other change of its person.
func TestStoredWeakKey(t *testing.T) {
	t.Parallel()
	st := storetest.Open(t)
	p := newPeople(t, st)
	ben := p.user("ben", true)
	p.user("ana", true)
	weak := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(must(ssh.NewPublicKey(&rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 1023, 1), E: 3}))(t))))
	must(st.SQL().ExecContext(p.ctx, "UPDATE users SET ssh_public_key = ? WHERE id = ?", weak, string(ben.ID)))(t)
	ok(t, p.engine.UpdateUserProfile(p.ctx, ben.IamUserArn, func(u *models.User) error {
		u.Admin, u.Email, u.SSHPublicKey = false, "ben@example.org", u.SSHPublicKey+"\n"
		return nil
	}))
	got := must(st.Users.Get(p.ctx, ben.ID))(t)
	if got.Admin || got.Email != "ben@example.org" || got.SSHPublicKey != weak {
		t.Errorf("got %+v", got)
	}
	err := p.engine.UpdateUserProfile(p.ctx, ben.IamUserArn, func(u *models.User) error { u.SSHPublicKey = weak + " ben@laptop"; return nil })
	if models.CodeOf(err) != models.CodeInvalid {
		t.Errorf("another weak key: got %v", err)
	}
}
