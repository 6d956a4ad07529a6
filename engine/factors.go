package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"

	"opsyard/models"
)

// totpPeriod is how long one code of an authenticator app is shown (RFC 6238).
const totpPeriod = 30

// TOTP is what an authenticator app needs to know: the secret, and the address
// that holds it for a QR code.
type TOTP struct{ Secret, Address string }

// StartTOTP makes a secret for the asker's authenticator app. It counts for
// nothing until EnableTOTP is shown a first code; asked again before, it is
// another one.
func (e *Engine) StartTOTP(ctx context.Context) error {
	if err := e.confirmed(ctx, models.ActionChangeFactors); err != nil {
		return err
	}
	return e.tx(ctx, func(t *tx) error {
		u, err := t.Users.GetForUpdate(ctx, models.ActorFrom(ctx).UserID)
		if err != nil {
			return err
		}
		if u.TOTPSince != nil {
			return errTOTPOn()
		}
		key, err := totp.Generate(totp.GenerateOpts{Issuer: "Opsyard", AccountName: u.Name, Period: totpPeriod})
		if err != nil {
			return fmt.Errorf("make a secret for an authenticator app: %w", err)
		}
		u.TOTPSecret, u.TOTPStep = key.Secret(), 0
		if err := t.Users.Save(ctx, u); err != nil {
			return err
		}
		return t.audit(ctx, "StartTotp", onUser(u), nil, nil, models.Cause{})
	})
}

func errTOTPOn() error {
	return models.Invalid("An authenticator app is set up already. Remove it first to set up another one.")
}

// PendingTOTP is the secret that StartTOTP has made, to be shown until a first
// code has proved that the app has it.
func (e *Engine) PendingTOTP(ctx context.Context) (*TOTP, error) {
	if err := e.confirmed(ctx, models.ActionChangeFactors); err != nil {
		return nil, err
	}
	u, err := e.store.Users.Get(ctx, models.ActorFrom(ctx).UserID)
	if err != nil {
		return nil, err
	}
	if u.TOTPSecret == "" || u.TOTPSince != nil {
		return nil, models.NotFound("authenticator app", "to be set up")
	}
	key, err := otp.NewKeyFromURL(totpAddress(u))
	if err != nil {
		return nil, fmt.Errorf("read the secret of an authenticator app: %w", err)
	}
	return &TOTP{Secret: key.Secret(), Address: key.URL()}, nil
}

// totpAddress is what authenticator apps read from a QR code.
func totpAddress(u *models.User) string {
	return "otpauth://totp/Opsyard:" + u.Name + "?secret=" + u.TOTPSecret + "&issuer=Opsyard&algorithm=SHA1&digits=6&period=30"
}

// EnableTOTP makes codes of the authenticator app the asker's second factor,
// once a first one proves that the app works. Who has no recovery codes gets
// them here, and sees them only now. Other sessions end.
func (e *Engine) EnableTOTP(ctx context.Context, code string) (codes []string, err error) {
	actor := models.ActorFrom(ctx)
	if err := e.confirmed(ctx, models.ActionChangeFactors); err != nil {
		return nil, err
	}
	self := target{kind: "user", id: string(actor.UserID), name: actor.Name}
	if !e.codes.allow(codeKey(actor.Name), actor.SourceAddr, true) {
		e.auditRefusal(ctx, "EnableTotp", self)
		return nil, errTooManyTries()
	}
	wrong := false
	err = e.tx(ctx, func(t *tx) error {
		u, err := t.Users.GetForUpdate(ctx, actor.UserID)
		if err != nil {
			return err
		}
		if u.TOTPSince != nil {
			return errTOTPOn()
		}
		step, right := e.totpStep(u, plainCode(code))
		if wrong = u.TOTPSecret == "" || !right; wrong {
			return models.InvalidField("Code", "This is not the code that the app should show now. Check the clock of the phone, and that it reads the code of this page.")
		}
		now := e.Clock()
		u.TOTPSince, u.TOTPStep, u.UpdatedAt = &now, step, now
		if err := t.Users.Save(ctx, u); err != nil {
			return err
		}
		if codes, err = t.firstCodes(ctx, u.ID); err != nil {
			return err
		}
		return t.factorChanged(ctx, u, "EnableTotp")
	})
	if wrong {
		e.auditRefusal(ctx, "EnableTotp", self)
	}
	return codes, err
}

// factorChanged ends the other sessions of somebody whose factors have changed.
func (t *tx) factorChanged(ctx context.Context, u *models.User, action string) error {
	keep := ""
	if actor := models.ActorFrom(ctx); actor.UserID == u.ID {
		keep = actor.Session
	}
	if err := t.endSignIns(ctx, u.ID, keep); err != nil {
		return err
	}
	t.tell("user:"+string(u.ID), "user", string(u.ID))
	return t.audit(ctx, action, onUser(u), nil, nil, models.Cause{})
}

// endSignIns ends a user's sessions but one (empty: all), and sign-ins that are
// half made: what was proved so far proves nothing any more.
func (t *tx) endSignIns(ctx context.Context, id models.UserID, keep string) error {
	if err := t.Sessions.DeleteOfUser(ctx, id, keep); err != nil {
		return err
	}
	return t.SignIns.DropChallenges(ctx, challengeFactor, id)
}

// DisableTOTP removes the asker's authenticator app. Recovery codes go with the
// last second factor.
func (e *Engine) DisableTOTP(ctx context.Context) error {
	if err := e.confirmed(ctx, models.ActionChangeFactors); err != nil {
		return err
	}
	return e.tx(ctx, func(t *tx) error {
		u, err := t.Users.GetForUpdate(ctx, models.ActorFrom(ctx).UserID)
		if err != nil {
			return err
		}
		u.TOTPSecret, u.TOTPSince, u.UpdatedAt = "", nil, e.Clock()
		if err := t.Users.Save(ctx, u); err != nil {
			return err
		}
		if err := t.dropCodes(ctx, u); err != nil {
			return err
		}
		return t.factorChanged(ctx, u, "DisableTotp")
	})
}

// ResetFactors takes all second factors from somebody who has lost them;
// administrators only. Their sessions end, their password stays. Nobody takes
// their own last way in.
func (e *Engine) ResetFactors(ctx context.Context, id models.UserID) error {
	if err := e.administer(ctx, models.ActionResetFactors, target{kind: "user", id: string(id)}); err != nil {
		return err
	}
	return e.tx(ctx, func(t *tx) error {
		u, err := t.Users.GetForUpdate(ctx, id)
		if err != nil {
			return err
		}
		u.TOTPSecret, u.TOTPSince, u.UpdatedAt = "", nil, e.Clock()
		if err := t.Users.Save(ctx, u); err != nil {
			return err
		}
		passkeys, err := t.SignIns.Passkeys(ctx, id)
		for _, p := range passkeys {
			err = errors.Join(err, t.SignIns.DeletePasskey(ctx, id, p.ID))
		}
		if err != nil {
			return err
		}
		if models.ActorFrom(ctx).UserID == id {
			if err := t.keepsAWayIn(ctx, u); err != nil {
				return err
			}
		}
		if err := t.dropCodes(ctx, u); err != nil {
			return err
		}
		return t.factorChanged(ctx, u, "ResetFactors")
	})
}

// dropCodes removes the recovery codes of somebody without any second factor.
func (t *tx) dropCodes(ctx context.Context, u *models.User) error {
	passkeys, err := t.SignIns.Passkeys(ctx, u.ID)
	if err != nil || u.TOTPSince != nil || len(passkeys) > 0 {
		return err
	}
	return t.SignIns.ReplaceCodes(ctx, u.ID, false, nil)
}

// keepsAWayIn refuses to leave somebody with nothing to sign in with: the only
// administrator would lock everybody out.
func (t *tx) keepsAWayIn(ctx context.Context, u *models.User) error {
	if u.PasswordHash != "" {
		return nil
	}
	passkeys, err := t.SignIns.Passkeys(ctx, u.ID)
	if err != nil || len(passkeys) > 0 {
		return err
	}
	identities, err := t.SignIns.Identities(ctx, u.ID)
	if err != nil || len(identities) > 0 {
		return err
	}
	return models.Invalid("You could not sign in any more. First set a password, or register a passkey that stays.")
}

// takeCode tells which kind of code it is that proves to be the user: "totp" or
// "recovery", empty for none. It works once.
func (t *tx) takeCode(ctx context.Context, u *models.User, code string) (kind string, err error) {
	code = plainCode(code)
	if len(code) == recoveryLength {
		err := t.SignIns.UseCode(ctx, u.ID, false, hashOf(code), t.e.Clock())
		if models.CodeOf(err) == models.CodeNotFound {
			return "", nil
		}
		return "recovery", err
	}
	step, right := t.e.totpStep(u, code)
	if !right || u.TOTPSince == nil || step <= u.TOTPStep {
		return "", nil
	}
	u.TOTPStep = step
	return "totp", t.Users.Save(ctx, u)
}

// totpStep finds the 30 seconds that a code belongs to: the present ones, or
// those before or after, for clocks that differ and fingers that are slow.
func (e *Engine) totpStep(u *models.User, code string) (step int64, right bool) {
	if u.TOTPSecret == "" {
		return 0, false
	}
	now := e.Clock().Unix() / totpPeriod
	for step := now - 1; step <= now+1; step++ {
		ok, err := hotp.ValidateCustom(code, uint64(max(step, 0)), u.TOTPSecret, hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if ok && err == nil {
			return step, true
		}
	}
	return 0, false
}

// recoveryLength is the number of characters of a recovery code without its
// hyphens: 80 random bits.
const recoveryLength = 16

// plainCode is a code as it is compared: people type spaces, hyphens and
// capitals. What cannot be one is empty: no code has other than ASCII letters.
func plainCode(code string) string {
	if len(code) > 64 || strings.ContainsFunc(code, func(r rune) bool { return r > unicode.MaxASCII }) {
		return ""
	}
	return strings.ToLower(strings.NewReplacer(" ", "", "-", "").Replace(strings.TrimSpace(code)))
}

// newCodes makes recovery codes as people read them, and as they are stored.
func newCodes(id models.UserID, account bool, n int, at time.Time) (shown []string, stored []models.RecoveryCode) {
	for range n {
		c := strings.ToLower(rand.Text())[:recoveryLength]
		shown = append(shown, c[:4]+"-"+c[4:8]+"-"+c[8:12]+"-"+c[12:])
		stored = append(stored, models.RecoveryCode{Hash: hashOf(c), UserID: id, Account: account, CreatedAt: at})
	}
	return shown, stored
}

// firstCodes gives recovery codes to who has none left.
func (t *tx) firstCodes(ctx context.Context, id models.UserID) ([]string, error) {
	left, err := t.SignIns.CodesLeft(ctx, id, false)
	if err != nil || left > 0 {
		return nil, err
	}
	shown, stored := newCodes(id, false, models.RecoveryCodes, t.e.Clock())
	return shown, t.SignIns.ReplaceCodes(ctx, id, false, stored)
}

// NewRecoveryCodes gives the asker new recovery codes in place of the old ones:
// for a lost second factor, or one for a forgotten password (account). They are
// seen only here.
func (e *Engine) NewRecoveryCodes(ctx context.Context, account bool) ([]string, error) {
	if err := e.confirmed(ctx, models.ActionChangeFactors); err != nil {
		return nil, err
	}
	id, n := models.ActorFrom(ctx).UserID, models.RecoveryCodes
	if account {
		n = 1
	}
	shown, stored := newCodes(id, account, n, e.Clock())
	err := e.tx(ctx, func(t *tx) error {
		u, err := t.Users.Get(ctx, id)
		if err != nil {
			return err
		}
		if err := t.SignIns.ReplaceCodes(ctx, id, account, stored); err != nil {
			return err
		}
		return t.audit(ctx, "CreateRecoveryCodes", onUser(u), nil, map[string]any{"Account": account, "Codes": n}, models.Cause{})
	})
	if err != nil {
		return nil, err
	}
	return shown, nil
}

// Factors is what somebody can prove with who they are.
type Factors struct {
	Password, TOTP bool
	Passkeys       []models.Passkey
	Identities     []models.Identity
	Codes          int // recovery codes left for the second factor
	AccountCode    bool
}

// FactorsOf tells what a user can prove with who they are: oneself, or as an
// administrator anybody.
func (e *Engine) FactorsOf(ctx context.Context, id models.UserID) (*Factors, error) {
	if models.ActorFrom(ctx).UserID != id {
		if err := e.administer(ctx, models.ActionEndSessions, target{kind: "user", id: string(id)}); err != nil {
			return nil, err
		}
	}
	u, err := e.store.Users.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	f := &Factors{Password: u.PasswordHash != "", TOTP: u.TOTPSince != nil}
	if f.Passkeys, err = e.store.SignIns.Passkeys(ctx, id); err != nil {
		return nil, err
	}
	if f.Identities, err = e.store.SignIns.Identities(ctx, id); err != nil {
		return nil, err
	}
	if f.Codes, err = e.store.SignIns.CodesLeft(ctx, id, false); err != nil {
		return nil, err
	}
	n, err := e.store.SignIns.CodesLeft(ctx, id, true)
	f.AccountCode = n > 0
	return f, err
}
