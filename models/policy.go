package models

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// PolicyID names a policy.
type PolicyID string

// Policy is a document in IAM's form that allows or denies what levels do not
// cover. It holds for the users and groups that it is attached to.
type Policy struct {
	ID        PolicyID  `gorm:"primaryKey;size:36"`
	Name      string    `gorm:"size:128;not null;uniqueIndex"`
	Document  string    `gorm:"not null"` // JSON, as it was written
	CreatedAt time.Time `gorm:"not null"`
	UpdatedAt time.Time `gorm:"not null"`
}

// PolicyAttachment attaches a policy to a user or to a group; the other one is
// empty.
type PolicyAttachment struct {
	PolicyID PolicyID `gorm:"primaryKey;size:36"`
	UserID   UserID   `gorm:"primaryKey;size:36;index"`
	GroupID  GroupID  `gorm:"primaryKey;size:36;index"`
}

// Principal is whom something is given to: a user or a group.
type Principal struct {
	UserID  UserID
	GroupID GroupID
}

// Validate refuses nobody, and two at once.
func (p Principal) Validate() error {
	if (p.UserID == "") == (p.GroupID == "") {
		return Invalid("Name one user or one group.")
	}
	return nil
}

// Limits of a policy. IAM's own is 6,144 characters.
const (
	MaxPolicy      = 6144
	maxStatements  = 100
	maxPolicyParts = 100 // actions or resources of a statement
)

var policyNamePattern = regexp.MustCompile(`\A[A-Za-z0-9+=,.@_-]{1,128}\z`)

// Validate refuses a policy that does not say what it seems to say.
func (p *Policy) Validate() error {
	if !policyNamePattern.MatchString(p.Name) {
		return InvalidField("Name", "Name: use 1 to 128 letters, digits and + = , . @ _ -.")
	}
	_, err := ParsePolicy(p.Document)
	return err
}

// Statement is one rule of a policy.
type Statement struct {
	Sid       string
	Deny      bool
	Actions   []string // patterns in lower case, without the service; only those of OpsWorks
	Resources []string // patterns of ARNs
}

// PolicyRules are the statements of a policy that somebody has, and by way of
// which group.
type PolicyRules struct {
	Name       string
	Group      string // empty for a policy of the user's own
	Statements []Statement
}

func (p *PolicyRules) String() string {
	if p.Group == "" {
		return "the policy " + p.Name
	}
	return "the policy " + p.Name + " of the group " + p.Group
}

// decisive finds a statement of the given effect that is about the action.
func (p *PolicyRules) decisive(deny bool, a Action, stack *Stack) bool {
	return slices.ContainsFunc(p.Statements, func(s Statement) bool {
		return s.Deny == deny && s.about(a, stack)
	})
}

// about tells whether the statement is about an action in a stack. What is
// outside of all stacks is about every resource, as in IAM.
func (s *Statement) about(a Action, stack *Stack) bool {
	name := strings.ToLower(string(a))
	if !slices.ContainsFunc(s.Actions, func(pattern string) bool { return Wildcard(pattern, name) }) {
		return false
	}
	return slices.ContainsFunc(s.Resources, func(pattern string) bool {
		if stack == nil {
			return strings.Trim(pattern, "*") == ""
		}
		// people forget the slash at the end, which must not make a Deny void
		return Wildcard(pattern, stack.Arn) || Wildcard(pattern, strings.TrimSuffix(stack.Arn, "/"))
	})
}

// Wildcard tells whether a text fits a pattern in which * stands for any
// characters and ? for one. It takes at most len(pattern)*len(text) steps,
// whatever the pattern is.
func Wildcard(pattern, text string) bool {
	p, t := 0, 0
	star, from := -1, 0 // the last star, and where in the text it is tried to end
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, t
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == text[t]):
			p++
			t++
		case star >= 0: // the star takes one more
			from++
			p, t = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// ParsePolicy reads a document. What it cannot honour, it refuses: a policy
// must not allow more than its author reads in it.
func ParsePolicy(document string) ([]Statement, error) {
	if n := utf8.RuneCountInString(document); n > MaxPolicy {
		return nil, policyError("it has %d characters, the most is %d", n, MaxPolicy)
	}
	members, err := policyObject([]byte(document), "Version", "Id", "Statement")
	if err != nil {
		return nil, err
	}
	var version string
	if json.Unmarshal(members["Version"], &version) != nil || version != "2012-10-17" {
		return nil, policyError(`"Version" must be "2012-10-17"`)
	}
	parts, err := policyStatements(members["Statement"])
	if err != nil {
		return nil, err
	}
	statements := make([]Statement, len(parts))
	for n, part := range parts {
		if statements[n], err = parseStatement(part); err != nil {
			return nil, err
		}
	}
	return statements, nil
}

func policyError(format string, args ...any) *Error {
	return InvalidField("Document", "Document: "+format+".", args...)
}

// policyStatements are the statements; IAM takes a lone one without brackets.
func policyStatements(raw json.RawMessage) ([]json.RawMessage, error) {
	var list []json.RawMessage
	if bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")) {
		list = []json.RawMessage{raw}
	} else if json.Unmarshal(raw, &list) != nil {
		return nil, policyError(`"Statement" must be a statement or a list of statements`)
	}
	if len(list) == 0 || len(list) > maxStatements {
		return nil, policyError("it must have 1 to %d statements", maxStatements)
	}
	return list, nil
}

func parseStatement(raw json.RawMessage) (s Statement, err error) {
	members, err := policyObject(raw, "Sid", "Effect", "Action", "Resource")
	if err != nil {
		return s, err
	}
	var effect string
	if json.Unmarshal(members["Effect"], &effect) != nil || effect != "Allow" && effect != "Deny" {
		return s, policyError(`"Effect" must be "Allow" or "Deny"`)
	}
	s.Deny = effect == "Deny"
	if sid, ok := members["Sid"]; ok && json.Unmarshal(sid, &s.Sid) != nil {
		return s, policyError(`"Sid" must be a text`)
	}
	actions, err := policyTexts(members["Action"], "Action")
	if err != nil {
		return s, err
	}
	for _, action := range actions {
		pattern, err := parseAction(action)
		if err != nil {
			return s, err
		}
		if pattern != "" {
			s.Actions = append(s.Actions, pattern)
		}
	}
	if s.Resources, err = policyTexts(members["Resource"], "Resource"); err != nil {
		return s, err
	}
	for _, resource := range s.Resources {
		if err := checkResource(resource); err != nil {
			return s, err
		}
	}
	return s, nil
}

var otherService = regexp.MustCompile(`\A[a-z0-9-]+:[A-Za-z0-9*?]+\z`)

// parseAction is the pattern of an action of OpsWorks; empty for one of another
// service, which documents from AWS have too and which means nothing here.
func parseAction(action string) (string, error) {
	if strings.Trim(action, "*") == "" {
		return "*", nil
	}
	service, name, _ := strings.Cut(action, ":")
	if !strings.EqualFold(service, "opsworks") {
		if !otherService.MatchString(action) {
			return "", policyError(`"Action" %q must be opsworks: and the name of an operation`, shorten(action, 64))
		}
		return "", nil
	}
	pattern := strings.ToLower(name)
	for a := range least {
		if Wildcard(pattern, strings.ToLower(string(a))) {
			return pattern, nil
		}
	}
	return "", policyError("there is no action %q", shorten(action, 64))
}

// checkResource takes every ARN: those of other services mean nothing here. Of
// OpsWorks only stacks can be named.
func checkResource(resource string) error {
	if strings.Trim(resource, "*") == "" {
		return nil
	}
	parts := strings.SplitN(resource, ":", 6)
	if parts[0] != "arn" || len(parts) < 6 || len(resource) > 512 {
		return policyError(`"Resource" %q must be "*" or the ARN of a stack`, shorten(resource, 64))
	}
	if strings.EqualFold(parts[2], "opsworks") && strings.ToLower(resource) != resource {
		return policyError(`"Resource" %q: the ARN of a stack has small letters only, so this would never be one`, shorten(resource, 64))
	}
	if strings.EqualFold(parts[2], "opsworks") && !strings.HasPrefix(parts[5], "stack/") && !strings.HasPrefix(parts[5], "*") {
		return policyError(`"Resource" %q: of OpsWorks only stacks can be named, as arn:aws:opsworks:*:*:stack/ID/`, shorten(resource, 64))
	}
	return nil
}

// policyTexts is a text or a list of texts.
func policyTexts(raw json.RawMessage, member string) ([]string, error) {
	var one string
	if json.Unmarshal(raw, &one) == nil && !bytes.Equal(bytes.TrimSpace(raw), []byte("null")) {
		return []string{one}, nil
	}
	var list []*string
	if json.Unmarshal(raw, &list) != nil || len(list) == 0 || len(list) > maxPolicyParts || slices.Contains(list, nil) {
		return nil, policyError("%q must be a text or a list of 1 to %d texts", member, maxPolicyParts)
	}
	texts := make([]string, len(list))
	for n := range list {
		texts[n] = *list[n]
	}
	return texts, nil
}

// policyObject reads the members of an object, each of which may come once and
// must be known.
func policyObject(raw []byte, known ...string) (map[string]json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, policyError("it must be a JSON object")
	}
	members := map[string]json.RawMessage{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, policyError("it is not JSON").Because(err)
		}
		name := key.(string) // the keys of an object are
		if !slices.Contains(known, name) {
			return nil, notHonoured(name)
		}
		if _, twice := members[name]; twice {
			return nil, policyError("%q is given twice", name)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, policyError("it is not JSON").Because(err)
		}
		members[name] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, policyError("it is not JSON").Because(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, policyError("something follows its end")
	}
	return members, nil
}

func notHonoured(member string) error {
	switch member {
	case "NotAction", "NotResource", "Condition", "Principal", "NotPrincipal":
		return policyError("%q is not understood here, so the policy would not mean what it says", member)
	}
	return policyError("there is no member %q", shorten(member, 64))
}
