package engine

import (
	"context"
	"crypto/rand"
	"fmt"
	"runtime"

	"github.com/alexedwards/argon2id"
)

// passwordHash hashes passwords with argon2id.
type passwordHash struct {
	params *argon2id.Params
	nobody string // hash of a password that nobody has, for names that nobody has
	// places bounds how many are hashed at a time. Each takes 46 MiB, so whoever
	// sends many forms at once would have all the memory; more of them than there
	// are processors are no faster either.
	places chan struct{}
}

func newPasswordHash(fast bool) passwordHash {
	p := passwordHash{
		params: &argon2id.Params{Memory: 46 << 10, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32},
		places: make(chan struct{}, runtime.GOMAXPROCS(0)),
	}
	if fast {
		p.params.Memory = 64
	}
	nobody, err := argon2id.CreateHash(rand.Text(), p.params)
	if err != nil {
		panic(fmt.Sprintf("engine: argon2id refuses its own parameters: %v", err))
	}
	p.nobody = nobody
	return p
}

// inTurn runs one computation of a hash when there is a place for it, or gives
// up with the request. It must not wait for anything else, least of all for the
// database: those who hold that may be waiting here.
func (p passwordHash) inTurn(ctx context.Context, compute func() error) error {
	select {
	case p.places <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("wait to hash a password: %w", context.Cause(ctx))
	}
	defer func() { <-p.places }()
	return compute()
}

func (p passwordHash) hash(ctx context.Context, password string) (hash string, err error) {
	err = p.inTurn(ctx, func() error {
		hash, err = argon2id.CreateHash(password, p.params)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("hash a password: %w", err)
	}
	return hash, nil
}

// matches tells whether a password is that of a hash. It fails only when the
// request is over before its turn.
func (p passwordHash) matches(ctx context.Context, password, hash string) (bool, error) {
	if hash == "" || len(password) > 1024 {
		return false, nil
	}
	right := false
	err := p.inTurn(ctx, func() error {
		ok, err := argon2id.ComparePasswordAndHash(password, hash)
		right = ok && err == nil // a hash that cannot be read is nobody's
		return nil
	})
	return right, err
}
