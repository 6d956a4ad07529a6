package engine

import (
	"fmt"
	"strings"
	"testing"

	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/storetest"
)

func TestInvitations(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		p := newPeople(t, st)
		p.user("ana", true)
		ben := p.user("ben", true)
		ana := p.in("ana")
		stack := storetest.Stack(t, st)
		token := must(p.engine.InviteUser(ana, models.Invitation{Name: "eve", Email: "eve@example.org", StackID: stack.ID, Level: models.LevelDeploy}))(t)
		if i := must(p.engine.Invitation(p.ctx, token))(t); i.Name != "eve" || i.Inviter != "ana" {
			t.Errorf("got %+v", i)
		}
		_, err := p.engine.AcceptInvitation(p.ctx, token, "", "short")
		wantRefusal(t, err, models.CodeInvalid, "12 characters")
		eve := must(p.engine.AcceptInvitation(p.ctx, token, "mallory", pass))(t)
		if eve.Name != "eve" || eve.Admin || eve.Email != "eve@example.org" {
			t.Errorf("got %+v", eve)
		}
		if got := must(st.Permissions.Get(p.ctx, stack.ID, eve.ID))(t); got.Level != models.LevelDeploy || got.AllowSSH {
			t.Errorf("got %+v", got)
		}
		_, err = p.engine.AcceptInvitation(p.ctx, token, "eve2", pass)
		wantRefusal(t, err, models.CodeForbidden, "not valid")
		p.in("eve")

		_, err = p.engine.InviteUser(p.in("eve"), models.Invitation{Admin: true})
		wantRefusal(t, err, models.CodeForbidden, "administrator")
		_, err = p.engine.InviteUser(ana, models.Invitation{Name: "ben"})
		wantRefusal(t, err, models.CodeInvalid, "already")
		_, err = p.engine.InviteUser(ana, models.Invitation{Level: models.LevelShow})
		wantRefusal(t, err, models.CodeInvalid, "stack")

		taken := must(p.engine.InviteUser(ana, models.Invitation{Admin: true}))(t)
		for _, i := range must(p.engine.Invitations(ana))(t) {
			if i.UsedAt == nil {
				if err := p.engine.RevokeInvitation(ana, i.ID); err != nil {
					t.Fatal(err)
				}
			}
		}
		late := must(p.engine.InviteUser(ana, models.Invitation{Admin: true}))(t)
		byBen := must(p.engine.InviteUser(p.in("ben"), models.Invitation{Admin: true}))(t)
		if err := p.engine.UpdateUserProfile(p.ctx, ben.IamUserArn, func(u *models.User) error { u.Admin = false; return nil }); err != nil {
			t.Fatal(err)
		}
		_, err = p.engine.AcceptInvitation(p.ctx, byBen, "friend", pass)
		wantRefusal(t, err, models.CodeForbidden, "not valid")
		p.clock.add(models.InvitationLimit)
		for _, token := range []string{taken, late, "", "guess"} {
			_, err := p.engine.AcceptInvitation(p.ctx, token, "friend", pass)
			wantRefusal(t, err, models.CodeForbidden, "not valid")
		}
		for _, e := range must(st.Audit.Page(p.ctx, models.AuditFilter{}, store.AuditCursor{Limit: 100}))(t) {
			if all := fmt.Sprintf("%+v", e); strings.Contains(all, token) || strings.Contains(all, hashOf(token)) {
				t.Errorf("the audit tells a token: %s", all)
			}
		}
	})
}
