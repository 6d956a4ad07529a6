package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"opsyard/models"
)

// newRelyingParty is this server as browsers know it by its public address;
// nil where they offer no passkeys: at a bare IP address, and without TLS
// anywhere but on localhost.
func newRelyingParty(publicURL string, log *slog.Logger) *webauthn.WebAuthn {
	u, err := url.Parse(publicURL)
	if err != nil || u.Hostname() == "" || net.ParseIP(u.Hostname()) != nil || u.Scheme != "https" && u.Hostname() != "localhost" {
		return nil
	}
	party, err := webauthn.New(&webauthn.Config{
		RPID: u.Hostname(), RPDisplayName: "Opsyard", RPOrigins: []string{u.Scheme + "://" + u.Host},
		// The device itself asks for a finger or a PIN, so a passkey is two
		// factors at once, and it names the person.
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementRequired, RequireResidentKey: protocol.ResidentKeyRequired(),
			UserVerification: protocol.VerificationRequired,
		},
	})
	if err != nil {
		log.Warn("passkeys are not offered at this public address", slog.String("url", publicURL), slog.Any("error", err))
		return nil
	}
	return party
}

// Passkeys tells whether browsers can use passkeys at the server's public
// address.
func (e *Engine) Passkeys() bool { return e.relyingParty != nil }

func errNoPasskeys() error {
	return models.Invalid("Browsers offer passkeys only at a name with https, or on localhost: this server's address is neither.")
}

// keyHolder is a user as the library of passkeys wants to see them.
type keyHolder struct {
	user *models.User
	keys []webauthn.Credential
}

func (h keyHolder) WebAuthnID() []byte                         { return []byte(h.user.ID) }
func (h keyHolder) WebAuthnName() string                       { return h.user.Name }
func (h keyHolder) WebAuthnDisplayName() string                { return h.user.Name }
func (h keyHolder) WebAuthnCredentials() []webauthn.Credential { return h.keys }

func (e *Engine) keyHolder(ctx context.Context, id models.UserID) (h keyHolder, err error) {
	if h.user, err = e.store.Users.Get(ctx, id); err != nil {
		return h, err
	}
	stored, err := e.store.SignIns.Passkeys(ctx, id)
	for _, p := range stored {
		var key webauthn.Credential
		if err := json.Unmarshal([]byte(p.Credential), &key); err != nil {
			return h, fmt.Errorf("read passkey %s: %w", p.ID, err)
		}
		h.keys = append(h.keys, key)
	}
	return h, err
}

func passkeyID(credential []byte) models.PasskeyID {
	sum := sha256.Sum256(credential)
	return models.PasskeyID(hex.EncodeToString(sum[:]))
}

// mostPasskeys bounds the passkeys of one person.
const mostPasskeys = 20

// NewPasskey begins the registration of a passkey of the asker: options go to
// their browser, whose answer goes to AddPasskey with the challenge's name.
func (e *Engine) NewPasskey(ctx context.Context) (challenge string, options []byte, err error) {
	if e.relyingParty == nil {
		return "", nil, errNoPasskeys()
	}
	if err := e.confirmed(ctx, models.ActionChangeFactors); err != nil {
		return "", nil, err
	}
	holder, err := e.keyHolder(ctx, models.ActorFrom(ctx).UserID)
	if err != nil {
		return "", nil, err
	}
	if len(holder.keys) >= mostPasskeys {
		return "", nil, models.Invalid("You have %d passkeys already: remove one that you do not use.", mostPasskeys)
	}
	known := webauthn.Credentials(holder.keys).CredentialDescriptors()
	creation, session, err := e.relyingParty.BeginRegistration(holder, webauthn.WithExclusions(known))
	if err != nil {
		return "", nil, fmt.Errorf("begin to register a passkey: %w", err)
	}
	return e.askBrowser(ctx, holder.user.ID, creation, session)
}

func (e *Engine) askBrowser(ctx context.Context, id models.UserID, question any, session *webauthn.SessionData) (challenge string, options []byte, err error) {
	if options, err = json.Marshal(question); err != nil {
		return "", nil, fmt.Errorf("ask for a passkey: %w", err)
	}
	challenge, err = e.challenge(ctx, e.store, challengePasskey, id, session)
	return challenge, options, err
}

// AddPasskey stores the passkey that a browser has made. Who has no recovery
// codes gets them here, and sees them only now. Other sessions end.
func (e *Engine) AddPasskey(ctx context.Context, challenge, name string, answer []byte) (codes []string, err error) {
	if e.relyingParty == nil {
		return nil, errNoPasskeys()
	}
	if err := e.confirmed(ctx, models.ActionChangeFactors); err != nil {
		return nil, err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return nil, models.Invalid("The browser's answer could not be read. Try again.").Because(err)
	}
	id := models.ActorFrom(ctx).UserID
	holder, err := e.keyHolder(ctx, id)
	if err != nil {
		return nil, err
	}
	if name = clip(strings.TrimSpace(name), 64); name == "" {
		name = "Passkey"
	}
	err = e.tx(ctx, func(t *tx) error {
		// Nobody signs in by the password alone in between.
		if _, err := t.Users.GetForUpdate(ctx, id); err != nil {
			return err
		}
		var session webauthn.SessionData
		if _, err := t.take(ctx, challengePasskey, challenge, &session); err != nil {
			return err
		}
		key, err := e.relyingParty.CreateCredential(holder, session, parsed)
		if err != nil {
			return models.Invalid("The browser's passkey was not accepted. Try again.").Because(err)
		}
		text, err := json.Marshal(key)
		if err != nil {
			return fmt.Errorf("keep a passkey: %w", err)
		}
		p := models.Passkey{ID: passkeyID(key.ID), UserID: id, Name: name, Credential: string(text), CreatedAt: e.Clock()}
		if err := t.SignIns.NewPasskey(ctx, &p); err != nil {
			return err
		}
		if codes, err = t.firstCodes(ctx, id); err != nil {
			return err
		}
		return t.factorChanged(ctx, holder.user, "CreatePasskey")
	})
	if err != nil {
		return nil, err
	}
	return codes, nil
}

// DeletePasskey removes one of the asker's passkeys. Recovery codes go with the
// last second factor. Nobody takes their own last way in.
func (e *Engine) DeletePasskey(ctx context.Context, id models.PasskeyID) error {
	if err := e.confirmed(ctx, models.ActionChangeFactors); err != nil {
		return err
	}
	return e.tx(ctx, func(t *tx) error {
		u, err := t.Users.GetForUpdate(ctx, models.ActorFrom(ctx).UserID)
		if err != nil {
			return err
		}
		if err := t.SignIns.DeletePasskey(ctx, u.ID, id); err != nil {
			return err
		}
		if err := t.keepsAWayIn(ctx, u); err != nil {
			return err
		}
		if err := t.dropCodes(ctx, u); err != nil {
			return err
		}
		return t.factorChanged(ctx, u, "DeletePasskey")
	})
}

// askPasskeyKey is the throttle's key of questions that anybody may ask for.
const askPasskeyKey = "ask for a passkey"

// AskPasskey begins a proof by passkey, of whoever it may be: for signing in
// without a password, for a second factor, and for confirming.
func (e *Engine) AskPasskey(ctx context.Context) (challenge string, options []byte, err error) {
	if e.relyingParty == nil {
		return "", nil, errNoPasskeys()
	}
	actor := models.ActorFrom(ctx)
	if !e.signIns.allow(askPasskeyKey, actor.SourceAddr, true) {
		e.refusedSignIn(ctx, nil, actor.Name, actor.SourceAddr)
		return "", nil, errTooManyTries()
	}
	assertion, session, err := e.relyingParty.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return "", nil, fmt.Errorf("ask for a passkey: %w", err)
	}
	return e.askBrowser(ctx, "", assertion, session)
}

// SignInPasskey opens a session for who holds a passkey. It is two factors by
// itself, so nothing else is asked.
func (e *Engine) SignInPasskey(ctx context.Context, p models.Proof, from models.Browser) (*models.SignedIn, error) {
	id, err := e.passkeyUser(ctx, p.Passkey)
	if err != nil {
		if models.CodeOf(err) == models.CodeUnauthenticated {
			e.refusedSignIn(ctx, nil, "", from.Addr)
		}
		return nil, err
	}
	var user *models.User
	cookie, err := e.openSession(ctx, id, from, func(t *tx, u *models.User) (how, error) {
		user = u
		return how{method: models.SignInPasskey}, t.checkPasskey(ctx, u, p)
	})
	switch models.CodeOf(err) {
	case models.CodeInvalid:
		e.wrongTry(ctx, user, userName(user), from.Addr)
		return nil, &models.Error{Code: models.CodeUnauthenticated, Message: models.Sentence(err)}
	case models.CodeUnauthenticated: // the question is over
		e.refusedSignIn(ctx, user, userName(user), from.Addr)
	}
	if err != nil {
		return nil, err
	}
	e.signIns.forgive(askPasskeyKey, from.Addr)
	return &models.SignedIn{User: user, Cookie: cookie}, nil
}

func errWrongPasskey() *models.Error {
	return models.InvalidField("Confirm-Passkey", "This passkey is not one of yours here, or was not accepted. Try again.")
}

// passkeyUser is who a browser's answer says that it is of; checkPasskey proves
// it.
func (e *Engine) passkeyUser(ctx context.Context, answer []byte) (models.UserID, error) {
	wrong := &models.Error{Code: models.CodeUnauthenticated, Message: errWrongPasskey().Message}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return "", wrong.Because(err)
	}
	p, err := e.store.SignIns.Passkey(ctx, passkeyID(parsed.RawID))
	if err != nil {
		if models.CodeOf(err) == models.CodeNotFound {
			err = wrong.Because(err)
		}
		return "", err
	}
	return p.UserID, nil
}

// checkPasskey takes a browser's answer to AskPasskey as proof to be the user.
func (t *tx) checkPasskey(ctx context.Context, u *models.User, p models.Proof) error {
	if t.e.relyingParty == nil {
		return errNoPasskeys()
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(p.Passkey)
	if err != nil {
		return errWrongPasskey().Because(err)
	}
	stored, err := t.SignIns.Passkey(ctx, passkeyID(parsed.RawID))
	if err != nil || stored.UserID != u.ID {
		return errWrongPasskey().Because(err)
	}
	var session webauthn.SessionData
	if _, err := t.take(ctx, challengePasskey, p.Challenge, &session); err != nil {
		return err
	}
	var key webauthn.Credential
	if err := json.Unmarshal([]byte(stored.Credential), &key); err != nil {
		return fmt.Errorf("read passkey %s: %w", stored.ID, err)
	}
	holder := keyHolder{user: u, keys: []webauthn.Credential{key}}
	used, err := t.e.relyingParty.ValidateDiscoverableLogin(func(_, handle []byte) (webauthn.User, error) { return holder, nil }, session, parsed)
	if err != nil || used.Authenticator.CloneWarning {
		return errWrongPasskey().Because(err)
	}
	text, err := json.Marshal(used)
	if err != nil {
		return fmt.Errorf("keep a passkey: %w", err)
	}
	now := t.e.Clock()
	stored.Credential, stored.LastUsed = string(text), &now
	return t.SignIns.PasskeyUsed(ctx, stored)
}
