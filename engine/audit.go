package engine

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"

	"opsyard/models"
)

// target is what an audited change is about.
type target struct {
	kind, id, name string
	stack          models.StackID
}

func onStack(s *models.Stack) target { return target{"stack", string(s.ID), s.Name, s.ID} }
func onLayer(l *models.Layer) target { return target{"layer", string(l.ID), l.Name, l.StackID} }
func onInstance(i *models.Instance) target {
	return target{"instance", string(i.ID), i.Hostname, i.StackID}
}
func onApp(a *models.App) target { return target{"app", string(a.ID), a.Name, a.StackID} }
func onDeployment(d *models.Deployment) target {
	return target{"deployment", string(d.ID), string(d.CommandName), d.StackID}
}
func onUser(u *models.User) target { return target{kind: "user", id: string(u.ID), name: u.Name} }

func auditEntry(ctx context.Context, action string, on target) models.AuditEntry {
	a := models.ActorFrom(ctx)
	id := string(a.UserID)
	if a.Kind == models.ActorAgent {
		id = string(a.InstanceID)
	}
	return models.AuditEntry{
		ActorKind: a.Kind, ActorID: id, ActorName: a.Name, SourceAddr: a.SourceAddr, Surface: a.Surface, RequestID: a.RequestID,
		Action: action, TargetKind: on.kind, TargetID: on.id, TargetName: on.name, StackID: on.stack,
	}
}

// audit writes the entry of a change into its transaction. before or after may
// be nil; only members that differ are kept, without secrets.
func (t *tx) audit(ctx context.Context, action string, on target, before, after any, cause models.Cause) error {
	entry := auditEntry(ctx, action, on)
	entry.At = t.e.Clock()
	entry.Cause = cause
	var err error
	if entry.Before, entry.After, err = difference(before, after); err != nil {
		return fmt.Errorf("audit %s: %w", action, err)
	}
	return t.record(ctx, &entry)
}

// record appends an entry to the chain, and tells those who watch it.
func (t *tx) record(ctx context.Context, entry *models.AuditEntry) error {
	t.tell(TopicAudit, "audit", "")
	if entry.StackID != "" {
		t.tell(TopicAuditOf(entry.StackID), "audit", "")
	}
	t.AfterCommit(t.e.auditFeed.wake)
	return t.Audit.Append(ctx, entry)
}

// difference gives the members of two objects that differ, as JSON.
func difference(before, after any) (string, string, error) {
	was, err := members(before)
	if err != nil {
		return "", "", err
	}
	is, err := members(after)
	if err != nil {
		return "", "", err
	}
	for key, value := range was {
		if other, ok := is[key]; ok && reflect.DeepEqual(value, other) || key == "UpdatedAt" {
			delete(was, key)
			delete(is, key)
		}
	}
	return text(was), text(is), nil
}

func text(object map[string]any) string {
	if len(object) == 0 {
		return ""
	}
	b, err := json.Marshal(object)
	if err != nil { // what came from JSON goes back into it
		return ""
	}
	return string(b)
}

func members(thing any) (map[string]any, error) {
	if thing == nil {
		return map[string]any{}, nil
	}
	b, err := json.Marshal(withoutSecrets(thing))
	if err != nil {
		return nil, err
	}
	object := map[string]any{}
	return object, json.Unmarshal(b, &object)
}

// withoutSecrets is a copy fit for the audit. Custom JSON often holds
// passwords, so its fingerprint stands for it.
func withoutSecrets(thing any) any {
	switch v := thing.(type) {
	case *models.Stack:
		s := *v
		s.CustomCookbooksSource = fingerprintSource(s.CustomCookbooksSource)
		s.CustomJSON = fingerprint(s.CustomJSON)
		return s
	case *models.Layer:
		l := *v
		l.CustomJSON = fingerprint(l.CustomJSON)
		l.Attributes = map[string]string{}
		for key, value := range v.Attributes {
			l.Attributes[key] = value
		}
		for _, key := range models.SecretAttributes {
			if l.Attributes[key] != "" {
				l.Attributes[key] = fingerprint(l.Attributes[key])
			}
		}
		return l
	case *models.App:
		a := *v
		a.AppSource = fingerprintSource(a.AppSource)
		a.SslConfiguration.PrivateKey = fingerprint(a.SslConfiguration.PrivateKey)
		a.Environment = append([]models.EnvironmentVariable(nil), v.Environment...)
		for n := range a.Environment {
			if a.Environment[n].Secure {
				a.Environment[n].Value = fingerprint(a.Environment[n].Value)
			}
		}
		return a
	case *models.Instance:
		i := *v
		i.AgentKey = nil
		return i
	case *models.Deployment:
		d := *v
		d.CustomJSON = fingerprint(d.CustomJSON)
		return d
	case *models.RdsDbInstance:
		r := *v
		r.DbPassword = fingerprint(r.DbPassword)
		return r
	case *models.NotificationChannel:
		return struct {
			models.NotificationChannel
			URL, Secret string
		}{*v, fingerprint(v.URL), fingerprint(v.Secret)}
	case *models.Token:
		tok := *v
		tok.Hash = ""
		return tok
	case *models.User:
		u := *v
		u.PasswordHash, u.TOTPSecret = "", ""
		return u
	}
	return thing
}

func fingerprintSource(s models.Source) models.Source {
	s.Password = fingerprint(s.Password)
	s.SSHKey = fingerprint(s.SSHKey)
	return s
}

// fingerprintKey lives as long as the process: fingerprints can be compared
// within one entry, and serve nobody to guess the secret later.
var fingerprintKey = []byte(rand.Text())

// fingerprint stands for a secret: equal ones look equal, so that an entry
// shows a change without the value.
func fingerprint(secret string) string {
	if secret == "" {
		return ""
	}
	mac := hmac.New(sha256.New, fingerprintKey)
	mac.Write([]byte(secret))
	return models.Filtered + " " + hex.EncodeToString(mac.Sum(nil)[:3])
}

// byWhom is the cause of something that a person or program asked for.
func byWhom(ctx context.Context, text string) models.Cause {
	a := models.ActorFrom(ctx)
	return models.Cause{Kind: models.CauseUser, Text: text, Actor: a.Name}
}
