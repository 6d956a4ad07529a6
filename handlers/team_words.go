package handlers

import (
	"slices"
	"strings"

	"opsyard/models"
	"opsyard/views"
)

// policyExamples are documents to start from.
var policyExamples = []views.PolicyExample{
	{Key: "no-deletes", Label: "refuse deletes"},
	{Key: "start-stop", Label: "start and stop one stack"},
	{Key: "make-stacks", Label: "make stacks"},
}

// example is a document to start from; an unknown one shows the form.
func (t *team) example(key string) string {
	effect, action, resource := "Allow", `"opsworks:Describe*"`, "*"
	stack := "arn:aws:opsworks:*:*:stack/ID/"
	if len(t.stacks) > 0 {
		stack = "arn:aws:opsworks:*:*:stack/" + string(t.stacks[0].ID) + "/"
	}
	switch key {
	case "no-deletes":
		effect, action = "Deny", `"opsworks:Delete*"`
	case "start-stop":
		action, resource = `["opsworks:StartInstance", "opsworks:StopInstance", "opsworks:RebootInstance"]`, stack
	case "make-stacks":
		action = `["opsworks:CreateStack", "opsworks:CloneStack"]`
	case "":
	default:
		resource = stack
	}
	return `{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "` + effect + `",
      "Action": ` + action + `,
      "Resource": "` + resource + `"
    }
  ]
}
`
}

// statements says which operations and stacks a policy means today.
func (t *team) statements(parsed []models.Statement) []views.PolicyStatement {
	out := make([]views.PolicyStatement, len(parsed))
	for n, s := range parsed {
		v := views.PolicyStatement{Allows: !s.Deny}
		v.All = slices.ContainsFunc(s.Actions, anything)
		for _, a := range models.Actions() {
			if slices.ContainsFunc(s.Actions, func(p string) bool { return models.Wildcard(p, strings.ToLower(string(a))) }) {
				v.Actions = append(v.Actions, a)
			}
		}
		v.Everywhere = slices.ContainsFunc(s.Resources, anything)
		for _, pattern := range s.Resources {
			if !anything(pattern) && !slices.ContainsFunc(t.stacks, func(s models.Stack) bool { return meant(pattern, s) }) {
				v.Nowhere = append(v.Nowhere, pattern)
			}
		}
		for _, stack := range t.stacks {
			if slices.ContainsFunc(s.Resources, func(p string) bool { return meant(p, stack) }) {
				v.Stacks = append(v.Stacks, stack.Name)
			}
		}
		out[n] = v
	}
	return out
}

func anything(pattern string) bool { return strings.Trim(pattern, "*") == "" }

func meant(pattern string, s models.Stack) bool {
	return models.Wildcard(pattern, s.Arn) || models.Wildcard(pattern, strings.TrimSuffix(s.Arn, "/"))
}

// summary is a policy in one line.
func (t *team) summary(p models.Policy) string {
	parsed, err := models.ParsePolicy(p.Document)
	if err != nil {
		return "Cannot be read, and so refuses nothing and allows nothing."
	}
	return views.PolicyWords(t.statements(parsed))
}
