package views

import (
	"time"

	"opsyard/models"
	"opsyard/views/ui"
)

// InviteForm is the page that invites somebody. With a Link it is the answer:
// the only place where the link is ever seen.
type InviteForm struct {
	Page   Page
	Form   Form
	Groups []models.Group
	Stacks []models.Stack
	Link   string
	Whom   string // the name, if the invitation has one
	Ends   time.Time
}

// InvitationRow is one open invitation.
type InvitationRow struct {
	models.Invitation
	Group, Stack string // names of what it gives
}

// whom is who is invited, as far as the invitation says.
func (r InvitationRow) whom() string {
	switch {
	case r.Name != "":
		return r.Name
	case r.Email != "":
		return r.Email
	}
	return "whoever has the link"
}

// gives says what the invited person will have.
func (r InvitationRow) gives() string {
	var parts []string
	if r.Admin {
		parts = append(parts, "administrator")
	}
	if r.Group != "" {
		parts = append(parts, "group "+r.Group)
	}
	if r.Stack != "" {
		parts = append(parts, string(r.Level)+" on "+r.Stack)
	}
	if parts == nil {
		return "Nothing yet"
	}
	return Capital(And(parts))
}

func (p InviteForm) groups() []ui.Option {
	list := []ui.Option{{Label: "None"}}
	for _, g := range p.Groups {
		list = append(list, ui.Option{Value: string(g.ID), Label: g.Name, Selected: p.Form.Value("GroupId") == string(g.ID)})
	}
	return list
}

func (p InviteForm) stacks() []ui.Option {
	list := []ui.Option{{Label: "None"}}
	for _, s := range p.Stacks {
		list = append(list, ui.Option{Value: string(s.ID), Label: s.Name, Selected: p.Form.Value("StackId") == string(s.ID)})
	}
	return list
}

func (p InviteForm) levels() []ui.Option {
	return ui.Options([]models.Level{models.LevelShow, models.LevelDeploy, models.LevelManage}, models.Level(p.Form.Value("Level")))
}
