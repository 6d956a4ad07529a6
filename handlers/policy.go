package handlers

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"

	"opsyard/models"
	"opsyard/views"

	"github.com/a-h/templ"
)

// withPolicy loads the policy of the path.
func (h *Handlers) withPolicy(action models.Action, page func(http.ResponseWriter, *http.Request, *models.Policy)) http.HandlerFunc {
	return h.teamOnly(action, func(w http.ResponseWriter, r *http.Request) {
		p, err := h.Store.Policies.Get(r.Context(), models.PolicyID(r.PathValue("policy")))
		if err != nil {
			h.fail(w, r, err)
			return
		}
		page(w, r, p)
	})
}

// showPolicies lists the policies.
func (h *Handlers) showPolicies(w http.ResponseWriter, r *http.Request) {
	t, err := h.team(r.Context())
	if err != nil {
		h.fail(w, r, err)
		return
	}
	p := views.PoliciesPage{Page: h.page(w, r, "Policies", "team", crumb("Team", "/team"), crumb("Policies", "")), Tabs: t.tabs()}
	for _, policy := range t.policies {
		users, groups := t.holders(policy.ID)
		row := views.PolicyListed{Policy: policy, Summary: t.summary(policy), Changed: policy.UpdatedAt}
		for _, g := range groups {
			row.Holders = append(row.Holders, g.Name)
		}
		for _, u := range users {
			row.Holders = append(row.Holders, u.Name)
		}
		p.Rows = append(p.Rows, row)
	}
	h.render(w, r, http.StatusOK, views.Policies(p))
}

// showNewPolicy is the editor with an example to start from.
func (h *Handlers) showNewPolicy(w http.ResponseWriter, r *http.Request) {
	h.drawPolicy(w, r, http.StatusOK, models.Policy{}, views.Form{}, false)
}

// showPolicy is one policy's page.
func (h *Handlers) showPolicy(w http.ResponseWriter, r *http.Request, p *models.Policy) {
	h.drawPolicy(w, r, http.StatusOK, *p, views.Form{}, false)
}

// drawPolicy draws a policy, or the form of a new one. checked is the answer
// to "check without saving".
func (h *Handlers) drawPolicy(w http.ResponseWriter, r *http.Request, status int, policy models.Policy, form views.Form, checked bool) {
	p, err := h.policyPage(w, r, policy, form, checked)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.render(w, r, status, views.Policy(p))
}

func (h *Handlers) policyPage(w http.ResponseWriter, r *http.Request, policy models.Policy, form views.Form, checked bool) (views.PolicyPage, error) {
	p := views.PolicyPage{Form: form, Checked: checked}
	t, err := h.team(r.Context())
	if err != nil {
		return p, err
	}
	title, last := policy.Name, policy.Name
	if policy.ID == "" {
		title, last = "New policy", "New policy"
		p.Examples = policyExamples
		policy.Document = t.example(r.URL.Query().Get("from"))
	}
	policy.Document = readable(policy.Document)
	p.Policy = policy
	document := policy.Document
	if _, typed := form.Values["Document"]; typed {
		document = form.Value("Document")
	}
	if statements, err := models.ParsePolicy(document); err == nil {
		p.Statements = t.statements(statements)
	}
	if policy.ID != "" {
		p.People, p.Groups = t.holders(policy.ID)
		p.Names, p.Others = t.withoutPolicy(policy.ID)
	}
	p.Page = h.page(w, r, title, "team", crumb("Team", "/team"), crumb("Policies", "/team/policies"), crumb(last, ""))
	return p, nil
}

// readable gives a document that is one long line the lines of its structure.
func readable(document string) string {
	var b bytes.Buffer
	if strings.Contains(strings.TrimSpace(document), "\n") || json.Indent(&b, []byte(document), "", "  ") != nil || b.Len() > models.MaxPolicy {
		return document
	}
	return b.String()
}

// createPolicy stores a new policy, or only says what it would do.
func (h *Handlers) createPolicy(w http.ResponseWriter, r *http.Request) {
	typed := typedPolicy(r)
	if h.checkPolicy(w, r, models.Policy{}, typed) {
		return
	}
	made, err := h.Engine.CreatePolicy(r.Context(), typed)
	if err != nil {
		h.policyAgain(w, r, models.Policy{}, err)
		return
	}
	h.done(w, r, views.PolicyHref(made.ID), "The policy "+made.Name+" is made. Attach it to a group or a person.")
}

// updatePolicy stores a policy, or only says what it would do.
func (h *Handlers) updatePolicy(w http.ResponseWriter, r *http.Request, p *models.Policy) {
	typed := typedPolicy(r)
	if h.checkPolicy(w, r, *p, typed) {
		return
	}
	err := h.Engine.UpdatePolicy(r.Context(), p.ID, func(p *models.Policy) error {
		p.Name, p.Document = typed.Name, typed.Document
		return nil
	})
	if err != nil {
		h.policyAgain(w, r, *p, err)
		return
	}
	h.done(w, r, views.PolicyHref(p.ID), "The policy is saved, and counts at once.")
}

func typedPolicy(r *http.Request) models.Policy {
	return models.Policy{Name: trimmed(r.PostForm, "Name"), Document: r.PostForm.Get("Document")}
}

// checkPolicy answers when only that was asked for.
func (h *Handlers) checkPolicy(w http.ResponseWriter, r *http.Request, stored, typed models.Policy) bool {
	if r.PostForm.Get("do") != "check" {
		return false
	}
	if _, err := models.ParsePolicy(typed.Document); err != nil {
		h.policyAgain(w, r, stored, err)
		return true
	}
	h.drawPolicy(w, r, http.StatusOK, stored, views.Form{Values: r.PostForm}, true)
	return true
}

// policyAgain shows the editor with what was refused, and in which line.
func (h *Handlers) policyAgain(w http.ResponseWriter, r *http.Request, stored models.Policy, err error) {
	h.again(w, r, err, func(sentence, field string) templ.Component {
		if field == "Document" {
			sentence = inLine(sentence, r.PostForm.Get("Document"))
		}
		p, err := h.policyPage(w, r, stored, views.Form{Values: r.PostForm, Problem: sentence, Field: field}, false)
		if err != nil {
			return failed{err}
		}
		return views.Policy(p)
	})
}

// attachPolicy gives the policy to a group, or to the person who was named.
func (h *Handlers) attachPolicy(w http.ResponseWriter, r *http.Request, p *models.Policy) {
	to := models.Principal{GroupID: models.GroupID(r.PostForm.Get("group"))}
	if to.GroupID == "" {
		u, err := h.person(r.Context(), trimmed(r.PostForm, "Person"), "Person")
		if err != nil {
			h.policyAgain(w, r, *p, err)
			return
		}
		to.UserID = u.ID
	}
	if err := h.Engine.AttachPolicy(r.Context(), p.ID, to); err != nil {
		h.refused(w, r, err, views.PolicyHref(p.ID))
		return
	}
	h.done(w, r, views.PolicyHref(p.ID), "The policy is attached, and counts at once.")
}

func (h *Handlers) detachPolicy(w http.ResponseWriter, r *http.Request, p *models.Policy) {
	from := models.Principal{UserID: models.UserID(r.PostForm.Get("user")), GroupID: models.GroupID(r.PostForm.Get("group"))}
	if err := h.Engine.DetachPolicy(r.Context(), p.ID, from); err != nil {
		h.refused(w, r, err, views.PolicyHref(p.ID))
		return
	}
	h.done(w, r, views.PolicyHref(p.ID), "The policy is detached.")
}

// deletePolicy removes a policy; its name was typed.
func (h *Handlers) deletePolicy(w http.ResponseWriter, r *http.Request, p *models.Policy) {
	err := typed(r, p.Name)
	if err == nil {
		err = h.Engine.DeletePolicy(r.Context(), p.ID)
	}
	if err != nil {
		h.refused(w, r, err, views.PolicyHref(p.ID))
		return
	}
	h.done(w, r, "/team/policies", "The policy "+p.Name+" was deleted.")
}

// setUserPolicies attaches or detaches one of a person's own.
func (h *Handlers) setUserPolicies(w http.ResponseWriter, r *http.Request, u *models.User) {
	h.changePolicies(w, r, models.Principal{UserID: u.ID}, views.UserHref(u.ID))
}
