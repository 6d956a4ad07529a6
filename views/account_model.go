package views

import (
	"strings"
	"time"

	"opsyard/models"
	"opsyard/views/ui"
)

// MePage is a person's own page.
type MePage struct {
	Page     Page
	Name     string
	Sessions []SessionRow
	Levels   []LevelRow
	Problem  string // of the password form
	Field    string // "Password" or "Current"
}

// SessionRow is one signed-in browser.
type SessionRow struct {
	Hash    string
	Browser string
	Addr    string
	Since   time.Time
	Seen    time.Time
	Ends    time.Time
	Current bool
}

// LevelRow is the level in one stack.
type LevelRow struct {
	StackID models.StackID
	Stack   string
	Level   models.Level
}

func (p MePage) lede() string {
	if len(p.Sessions) <= 1 {
		return "You are signed in here and nowhere else."
	}
	return "You are signed in with " + ui.Plural(len(p.Sessions), "browser") + "."
}

func (p MePage) errorOf(field string) string {
	if p.Field == field {
		return p.Problem
	}
	return ""
}

func (p MePage) summary() string {
	if p.Field == "" {
		return p.Problem
	}
	return ""
}

// BrowserOf reads a browser and its system out of a User-Agent, for people to
// recognise their own; it decides nothing.
func BrowserOf(agent string) string {
	browser, system := "Unknown browser", ""
	for _, known := range [][2]string{{"Edg/", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}, {"curl/", "curl"}} {
		if strings.Contains(agent, known[0]) {
			browser = known[1]
			break
		}
	}
	for _, known := range [][2]string{{"Android", "Android"}, {"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Windows", "Windows"}, {"Mac OS", "macOS"}, {"Linux", "Linux"}} {
		if strings.Contains(agent, known[0]) {
			system = " on " + known[1]
			break
		}
	}
	return browser + system
}

// TeamPage is who may do what.
type TeamPage struct {
	Page   Page
	Stacks []models.Stack
	Users  []UserRow
	// New is the user form as typed.
	New     models.User
	Problem string
	Field   string
}

// UserRow is one person with their level in each stack of the page.
type UserRow struct {
	ID     models.UserID
	Name   string
	Email  string
	Admin  bool
	Levels map[models.StackID]models.Level
}

func (u UserRow) level(id models.StackID) models.Level {
	if l := u.Levels[id]; l != "" {
		return l
	}
	return models.LevelIAMOnly
}

func (p TeamPage) head() HeadProps {
	admins := 0
	for _, u := range p.Users {
		if u.Admin {
			admins++
		}
	}
	h := HeadProps{Title: "Team", Bold: ui.Plural(len(p.Users), "person") + ", " + ui.Plural(admins, "administrator") + "."}
	if len(p.Users) != 1 {
		h.Bold = strings.Replace(h.Bold, "persons", "people", 1)
	}
	h.Rest = "Administrators may do everything; everybody else has a level on each stack."
	return h
}

func (p TeamPage) errorOf(field string) string {
	if p.Field == field {
		return p.Problem
	}
	return ""
}

func (p TeamPage) summary() (string, []ui.Problem) {
	if p.Problem == "" || p.Field == "" {
		return p.Problem, nil
	}
	return "One field needs you.", []ui.Problem{{ID: p.Field, Label: p.Field}}
}

func (u UserRow) about() string {
	switch {
	case u.Admin && u.Email != "":
		return "administrator, " + u.Email
	case u.Admin:
		return "administrator"
	}
	return u.Email
}

func (p TeamPage) people() []ui.Option {
	list := make([]ui.Option, len(p.Users))
	for i, u := range p.Users {
		list[i] = ui.Option{Value: string(u.ID), Label: u.Name}
	}
	return list
}
