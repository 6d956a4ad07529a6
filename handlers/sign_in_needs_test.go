package handlers

import "maps"

// The pages of signing in, in the table of who may use what.
func init() {
	maps.Copy(needs, map[string]need{
		"GET /sign-in/code": anybody, "POST /sign-in/code": anybody, "POST /sign-in/passkey": anybody, "POST /sign-in/passkey/ask": anybody,
		"GET /sign-in/oidc": anybody, "GET /sign-in/oidc/callback": anybody, "GET /invitation/{token}": anybody, "POST /invitation/{token}": anybody,

		"GET /confirm": signedIn, "POST /confirm": signedIn, "POST /me/sessions/end-others": signedIn,
		"GET /me/security/app": signedIn, "POST /me/security/app": signedIn, "POST /me/security/app/enable": signedIn, "POST /me/security/app/delete": signedIn,
		"POST /me/security/codes": signedIn, "POST /me/security/passkeys": signedIn, "POST /me/security/passkeys/ask": signedIn, "POST /me/security/passkeys/delete": signedIn,

		"GET /welcome": admin, "POST /welcome/code": admin, "POST /welcome/invite": admin,
		"POST /team/users/{user}/sessions/end": admin, "POST /team/users/{user}/factors/reset": admin, "POST /team/users/{user}/identities/delete": admin,
		"POST /me/security/identities/delete": signedIn,
	})
	namesNothing = append(namesNothing, "POST /me/security/passkeys/delete", "POST /me/security/identities/delete", "POST /team/users/{user}/identities/delete")
}
