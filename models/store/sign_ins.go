package store

import (
	"context"
	"time"

	"opsyard/models"

	"gorm.io/gorm/clause"
)

// SignIns keeps what people sign in with beside their password: recovery codes,
// passkeys and identities at a provider; the addresses they have signed in
// from; and the challenges under way.
type SignIns struct{ *handle }

// NewChallenge stores a challenge.
func (s SignIns) NewChallenge(ctx context.Context, c *models.Challenge) error {
	return wrap(s.w(ctx).Create(c).Error, "store a challenge")
}

// Challenge reads a challenge of a kind that is still good.
func (s SignIns) Challenge(ctx context.Context, kind, hash string, now time.Time) (*models.Challenge, error) {
	var c models.Challenge
	err := forUpdate(s.w(ctx)).Where("hash = ? AND kind = ? AND expires_at > ?", hash, kind, stamp(now)).Take(&c).Error
	if err != nil {
		return nil, found(err, "challenge", "given")
	}
	return &c, nil
}

// Spend removes a challenge; who comes second gets NotFound.
func (s SignIns) Spend(ctx context.Context, hash string) error {
	return affected(s.w(ctx).Exec("DELETE FROM challenges WHERE hash = ?", hash), "spend", "challenge", "given")
}

// DropChallenges removes a user's challenges of a kind.
func (s SignIns) DropChallenges(ctx context.Context, kind string, id models.UserID) error {
	return wrap(s.w(ctx).Exec("DELETE FROM challenges WHERE kind = ? AND user_id = ?", kind, id).Error, "drop challenges of user %s", id)
}

// Tried counts a wrong answer to a challenge.
func (s SignIns) Tried(ctx context.Context, hash string) error {
	return wrap(s.w(ctx).Exec("UPDATE challenges SET tries = tries + 1 WHERE hash = ?", hash).Error, "count a wrong answer")
}

// DeleteExpired removes challenges that nobody has answered in time.
func (s SignIns) DeleteExpired(ctx context.Context, now time.Time) error {
	return wrap(s.w(ctx).Exec("DELETE FROM challenges WHERE expires_at <= ?", stamp(now)).Error, "remove old challenges")
}

// WrongTry counts a wrong password or code of a user.
func (s SignIns) WrongTry(ctx context.Context, id models.UserID) error {
	return wrap(s.w(ctx).Exec("UPDATE users SET wrong_tries = wrong_tries + 1 WHERE id = ?", id).Error, "count a wrong try")
}

// ForgetWrongTries counts them anew from the present sign-in on.
func (s SignIns) ForgetWrongTries(ctx context.Context, id models.UserID) error {
	return wrap(s.w(ctx).Exec("UPDATE users SET wrong_tries = 0 WHERE id = ?", id).Error, "forget wrong tries")
}

// ReplaceCodes gives a user new recovery codes for a purpose in place of all
// earlier ones for it.
func (s SignIns) ReplaceCodes(ctx context.Context, id models.UserID, account bool, codes []models.RecoveryCode) error {
	return s.inTx(ctx, func(h *handle) error {
		if err := h.w(ctx).Exec("DELETE FROM recovery_codes WHERE user_id = ? AND account = ?", id, account).Error; err != nil {
			return wrap(err, "remove recovery codes of user %s", id)
		}
		if len(codes) == 0 {
			return nil
		}
		return wrap(h.w(ctx).Create(&codes).Error, "store recovery codes")
	})
}

// UseCode spends a recovery code; one that is not there, or was used, is
// NotFound.
func (s SignIns) UseCode(ctx context.Context, id models.UserID, account bool, hash string, at time.Time) error {
	result := s.w(ctx).Exec("UPDATE recovery_codes SET used_at = ? WHERE hash = ? AND user_id = ? AND account = ? AND used_at IS NULL", stamp(at), hash, id, account)
	return affected(result, "use", "recovery code", "given")
}

// CodesLeft counts the recovery codes of a user that were not used.
func (s SignIns) CodesLeft(ctx context.Context, id models.UserID, account bool) (int, error) {
	var n int64
	err := s.r(ctx).Model(&models.RecoveryCode{}).Where("user_id = ? AND account = ? AND used_at IS NULL", id, account).Count(&n).Error
	return int(n), wrap(err, "count recovery codes")
}

// Passkeys lists a user's passkeys, oldest first.
func (s SignIns) Passkeys(ctx context.Context, id models.UserID) ([]models.Passkey, error) {
	return find[models.Passkey](s.r(ctx).Where("user_id = ?", id).Order("created_at, id"), "list passkeys of user %s", id)
}

// Passkey reads one passkey.
func (s SignIns) Passkey(ctx context.Context, id models.PasskeyID) (*models.Passkey, error) {
	return get[models.Passkey](s.r(ctx), "passkey", id)
}

// NewPasskey stores a passkey.
func (s SignIns) NewPasskey(ctx context.Context, p *models.Passkey) error {
	err := s.w(ctx).Create(p).Error
	if brokenIndex(err) != "" {
		return models.Invalid("This passkey is registered already.").Because(err)
	}
	return wrap(err, "store a passkey")
}

// PasskeyUsed notes a use of a passkey and what it counts.
func (s SignIns) PasskeyUsed(ctx context.Context, p *models.Passkey) error {
	result := s.w(ctx).Exec("UPDATE passkeys SET credential = ?, last_used = ? WHERE id = ?", p.Credential, stampPtr(p.LastUsed), p.ID)
	return affected(result, "note the use of", "passkey", p.ID)
}

// DeletePasskey removes a passkey of a user.
func (s SignIns) DeletePasskey(ctx context.Context, user models.UserID, id models.PasskeyID) error {
	return affected(s.w(ctx).Exec("DELETE FROM passkeys WHERE id = ? AND user_id = ?", id, user), "delete", "passkey", id)
}

// Identity reads who somebody at a provider is here.
func (s SignIns) Identity(ctx context.Context, issuer, subject string) (*models.Identity, error) {
	var i models.Identity
	if err := s.r(ctx).Where("issuer = ? AND subject = ?", issuer, subject).Take(&i).Error; err != nil {
		return nil, found(err, "identity", subject)
	}
	return &i, nil
}

// Identities lists the identities of a user.
func (s SignIns) Identities(ctx context.Context, id models.UserID) ([]models.Identity, error) {
	return find[models.Identity](s.r(ctx).Where("user_id = ?", id).Order("created_at"), "list identities of user %s", id)
}

// NewIdentity ties a user to an identity that is nobody's yet.
func (s SignIns) NewIdentity(ctx context.Context, i *models.Identity) error {
	err := s.w(ctx).Create(i).Error
	if brokenIndex(err) != "" {
		return models.Conflict("This account at the provider is tied to a user already.").Because(err)
	}
	return wrap(err, "store an identity")
}

// DeleteIdentity unties a user from an identity.
func (s SignIns) DeleteIdentity(ctx context.Context, id models.UserID, issuer, subject string) error {
	result := s.w(ctx).Exec("DELETE FROM identities WHERE user_id = ? AND issuer = ? AND subject = ?", id, issuer, subject)
	return affected(result, "delete", "identity", subject)
}

// IdentityUsed notes a sign-in of a user with an identity; one that is not
// theirs any more is NotFound.
func (s SignIns) IdentityUsed(ctx context.Context, i *models.Identity, at time.Time) error {
	result := s.w(ctx).Exec("UPDATE identities SET last_used = ? WHERE issuer = ? AND subject = ? AND user_id = ?", stamp(at), i.Issuer, i.Subject, i.UserID)
	return affected(result, "note a sign-in with", "identity", i.Subject)
}

// Addresses lists where a user has signed in from, latest first.
func (s SignIns) Addresses(ctx context.Context, id models.UserID) ([]models.SignInAddress, error) {
	return find[models.SignInAddress](s.r(ctx).Where("user_id = ?", id).Order("last_at DESC").Limit(maxAddresses), "list addresses of user %s", id)
}

// maxAddresses bounds what is kept and shown of one user.
const maxAddresses = 100

// SignedInFrom notes the address of a sign-in. The longest unused of many
// addresses are forgotten.
func (s SignIns) SignedInFrom(ctx context.Context, id models.UserID, addr string, at time.Time) error {
	return s.inTx(ctx, func(h *handle) error {
		row := models.SignInAddress{UserID: id, Addr: clip(addr, 64), FirstAt: stamp(at), LastAt: stamp(at)}
		conflict := clause.OnConflict{Columns: []clause.Column{{Name: "user_id"}, {Name: "addr"}}, DoUpdates: clause.AssignmentColumns([]string{"last_at"})}
		if err := h.w(ctx).Clauses(conflict).Create(&row).Error; err != nil {
			return wrap(err, "note the address of a sign-in")
		}
		err := h.w(ctx).Exec(`DELETE FROM sign_in_addresses WHERE user_id = ? AND addr NOT IN
			(SELECT addr FROM sign_in_addresses WHERE user_id = ? ORDER BY last_at DESC, addr LIMIT ?)`, id, id, maxAddresses).Error
		return wrap(err, "forget old addresses")
	})
}

// Invitations keeps models.Invitation.
type Invitations struct{ *handle }

// List reads all invitations, newest first.
func (s Invitations) List(ctx context.Context) ([]models.Invitation, error) {
	return find[models.Invitation](s.r(ctx).Order("created_at DESC, id"), "list invitations")
}

// Get reads one invitation.
func (s Invitations) Get(ctx context.Context, id models.InvitationID) (*models.Invitation, error) {
	return get[models.Invitation](s.r(ctx), "invitation", id)
}

// ByHash reads the invitation of a token.
func (s Invitations) ByHash(ctx context.Context, hash string) (*models.Invitation, error) {
	var i models.Invitation
	if err := forUpdate(s.w(ctx)).Where("hash = ?", hash).Take(&i).Error; err != nil {
		return nil, found(err, "invitation", "given")
	}
	return &i, nil
}

// Create stores an invitation.
func (s Invitations) Create(ctx context.Context, i *models.Invitation) error {
	return wrap(s.w(ctx).Create(i).Error, "store an invitation")
}

// Use spends an invitation for who has become a user by it; a second use is
// NotFound.
func (s Invitations) Use(ctx context.Context, id models.InvitationID, user models.UserID, at time.Time) error {
	result := s.w(ctx).Exec("UPDATE invitations SET used_at = ?, user_id = ? WHERE id = ? AND used_at IS NULL", stamp(at), user, id)
	return affected(result, "use", "invitation", id)
}

// Delete removes an invitation; its link is good no more.
func (s Invitations) Delete(ctx context.Context, id models.InvitationID) error {
	return affected(s.w(ctx).Exec("DELETE FROM invitations WHERE id = ?", id), "delete", "invitation", id)
}

// DeleteOld removes invitations that ended before a time.
func (s Invitations) DeleteOld(ctx context.Context, before time.Time) error {
	return wrap(s.w(ctx).Exec("DELETE FROM invitations WHERE expires_at < ?", stamp(before)).Error, "remove old invitations")
}
