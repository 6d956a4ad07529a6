package engine

import (
	"crypto/rand"
	"fmt"

	"github.com/alexedwards/argon2id"
)

// passwordHash hashes passwords with argon2id.
type passwordHash struct {
	params *argon2id.Params
	nobody string // hash of a password that nobody has, for names that nobody has
}

func newPasswordHash(fast bool) passwordHash {
	p := passwordHash{params: &argon2id.Params{Memory: 46 << 10, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32}}
	if fast {
		p.params.Memory = 64
	}
	nobody, err := p.hash(rand.Text())
	if err != nil {
		panic(fmt.Sprintf("engine: argon2id refuses its own parameters: %v", err))
	}
	p.nobody = nobody
	return p
}

func (p passwordHash) hash(password string) (string, error) {
	return argon2id.CreateHash(password, p.params)
}

func (p passwordHash) matches(password, hash string) bool {
	if hash == "" || len(password) > 1024 {
		return false
	}
	ok, err := argon2id.ComparePasswordAndHash(password, hash)
	return ok && err == nil
}
