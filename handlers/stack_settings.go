package handlers

import (
	"net/http"
	"net/url"

	"opsyard/models"
	"opsyard/views"

	"github.com/a-h/templ"
)

// showStackSettings is the form of a stack's attributes.
func (h *Handlers) showStackSettings(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
	page, err := h.stackSettings(w, r, stack, stackForm(stack))
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.render(w, r, http.StatusOK, views.StackSettingsPage(page))
}

func stackForm(s *models.Stack) views.Form {
	v := url.Values{
		"Name": {s.Name}, "HostnameTheme": {string(s.HostnameTheme)},
		"ConfigurationManager": {s.ConfigurationManager.Name}, "ConfigurationManagerVersion": {s.ConfigurationManager.Version},
		"DefaultOs": {s.DefaultOs}, "DefaultRootDeviceType": {s.DefaultRootDeviceType}, "DefaultSshKeyName": {s.DefaultSSHKeyName},
		"AgentVersion": {s.AgentVersion}, "CustomJson": {s.CustomJSON}, "DefaultAvailabilityZone": {s.DefaultAvailabilityZone},
		"DefaultSubnetId": {s.DefaultSubnetID}, "DefaultInstanceProfileArn": {s.DefaultInstanceProfileArn},
		"BerkshelfVersion": {s.ChefConfiguration.BerkshelfVersion},
	}
	tick(v, "UseCustomCookbooks", s.UseCustomCookbooks)
	tick(v, "UseOpsworksSecurityGroups", s.UseOpsworksSecurityGroups)
	tick(v, "ManageBerkshelf", s.ChefConfiguration.ManageBerkshelf)
	fillSource(v, s.CustomCookbooksSource)
	return views.Form{Values: v}
}

func (h *Handlers) stackSettings(w http.ResponseWriter, r *http.Request, stack *models.Stack, form views.Form) (views.StackSettings, error) {
	frame, _, err := h.frame(r.Context(), stack)
	if err != nil {
		return views.StackSettings{}, err
	}
	frame = h.framed(w, r, frame, "settings", "Settings of "+stack.Name, "", crumb("Settings", ""))
	return views.StackSettings{Frame: frame, Form: form, Provider: stack.Provider}, nil
}

// updateStack stores a stack's attributes.
func (h *Handlers) updateStack(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
	_, err := h.Engine.UpdateStack(r.Context(), stack.ID, func(s *models.Stack) error {
		fillStack(s, r.PostForm)
		return nil
	})
	if err != nil {
		h.again(w, r, err, func(sentence, field string) templ.Component {
			page, err := h.stackSettings(w, r, stack, views.Form{Values: r.PostForm, Problem: sentence, Field: field})
			if err != nil {
				return failed{err}
			}
			return views.StackSettingsPage(page)
		})
		return
	}
	h.done(w, r, views.StackHref(stack.ID)+"/settings", "The settings were saved.")
}

func fillStack(s *models.Stack, form url.Values) {
	s.Name, s.HostnameTheme = trimmed(form, "Name"), models.HostnameTheme(form.Get("HostnameTheme"))
	s.ConfigurationManager = models.ConfigurationManager{Name: form.Get("ConfigurationManager"), Version: trimmed(form, "ConfigurationManagerVersion")}
	s.DefaultOs, s.DefaultRootDeviceType = trimmed(form, "DefaultOs"), form.Get("DefaultRootDeviceType")
	s.DefaultSSHKeyName, s.AgentVersion = trimmed(form, "DefaultSshKeyName"), trimmed(form, "AgentVersion")
	s.CustomJSON = customJSON(form)
	s.UseCustomCookbooks = form.Get("UseCustomCookbooks") != ""
	s.CustomCookbooksSource = sourceOf(form)
	s.DefaultAvailabilityZone, s.DefaultSubnetID = trimmed(form, "DefaultAvailabilityZone"), trimmed(form, "DefaultSubnetId")
	s.DefaultInstanceProfileArn = trimmed(form, "DefaultInstanceProfileArn")
	s.UseOpsworksSecurityGroups = form.Get("UseOpsworksSecurityGroups") != ""
	s.ChefConfiguration = models.ChefConfiguration{ManageBerkshelf: form.Get("ManageBerkshelf") != "", BerkshelfVersion: trimmed(form, "BerkshelfVersion")}
}
