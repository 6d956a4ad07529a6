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
	Problem  string // of one of the forms
	Field    string // the field it is about

	// SSH is what the person has on instances; SelfManaged, that they may change
	// the key themselves.
	SSHUsername  string
	SSHPublicKey string
	SelfManaged  bool

	Keys   []AccessKeyRow
	Fresh  *FreshKey // just made: its secret is shown now and never again
	Server string    // how API clients reach this server
}

// AccessKeyRow is one key for API clients.
type AccessKeyRow struct {
	ID       string
	Created  time.Time
	LastUsed *time.Time
}

// FreshKey is a key with its secret.
type FreshKey struct {
	ID, Secret string
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

// configure is how the AWS command line learns of the fresh key.
func (p MePage) configure() string {
	return "aws configure set aws_access_key_id " + p.Fresh.ID + " --profile opsyard\n" +
		"aws configure set aws_secret_access_key " + p.Fresh.Secret + " --profile opsyard\n" +
		"aws configure set region us-east-1 --profile opsyard\n" +
		p.tryIt()
}

func (p MePage) tryIt() string {
	return "aws --profile opsyard --endpoint-url " + p.Server + " opsworks describe-stacks"
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
