package handlers

import (
	"maps"
	"net/url"
	"strings"

	"opsyard/engine/lifecycle"
	"opsyard/models"
	"opsyard/views"
)

// stackFields are what the forms of new and existing stacks offer to choose from.
func (h *Handlers) stackFields(form views.Form) views.StackForm {
	form.Field = fieldOfStack(form.Field)
	p := views.StackForm{Form: form, Providers: h.Engine.Providers(), Systems: openSystems(h.Engine.OperatingSystems()), Agents: []string{models.AgentLatest}}
	for _, a := range h.Engine.AgentVersions(managerOf(form.Value("ConfigurationManager"))) {
		p.Agents = append(p.Agents, a.Version)
	}
	for _, theme := range models.HostnameThemes {
		choice := views.ThemeChoice{Theme: theme}
		for range 3 {
			choice.Samples = append(choice.Samples, lifecycle.Hostname(theme, "web", choice.Samples))
		}
		p.Themes = append(p.Themes, choice)
	}
	return p
}

// fieldOfStack is the field of the form that a refused member is typed into.
func fieldOfStack(member string) string {
	switch member {
	case "Url":
		return "SourceUrl"
	case "CustomCookbooksSource":
		return "Custom cookbooks source"
	case "Attributes":
		return "Color"
	case "ChefConfiguration":
		return "ManageBerkshelf"
	}
	return member
}

// stackForm is a stack as a form; secrets show as Filtered, and writing that
// back keeps them.
func stackForm(s *models.Stack) views.Form {
	v := url.Values{
		"Name": {s.Name}, "Provider": {s.Provider}, "HostnameTheme": {string(s.HostnameTheme)}, "Color": {s.Attributes["Color"]},
		"ConfigurationManager": {strings.TrimSpace(s.ConfigurationManager.Name + " " + s.ConfigurationManager.Version)},
		"BerkshelfVersion":     {s.ChefConfiguration.BerkshelfVersion},
		"CustomJson":           {s.CustomJSON},
		"DefaultOs":            {s.DefaultOs}, "DefaultRootDeviceType": {s.DefaultRootDeviceType}, "DefaultSshKeyName": {s.DefaultSSHKeyName},
		"DefaultAvailabilityZone": {s.DefaultAvailabilityZone}, "DefaultSubnetId": {s.DefaultSubnetID},
		"Region": {s.Region}, "VpcId": {s.VpcID},
		"ServiceRoleArn": {s.ServiceRoleArn}, "DefaultInstanceProfileArn": {s.DefaultInstanceProfileArn}, "AgentVersion": {s.AgentVersion},
	}
	tick(v, "UseCustomCookbooks", s.UseCustomCookbooks)
	tick(v, "UseOpsworksSecurityGroups", s.UseOpsworksSecurityGroups)
	tick(v, "ManageBerkshelf", s.ChefConfiguration.ManageBerkshelf)
	fillSource(v, s.CustomCookbooksSource)
	return views.Form{Values: v}
}

// fillStack writes the form into a stack.
func fillStack(s *models.Stack, form url.Values) {
	s.Name, s.HostnameTheme = trimmed(form, "Name"), models.HostnameTheme(form.Get("HostnameTheme"))
	s.Attributes = maps.Clone(s.Attributes)
	if s.Attributes == nil {
		s.Attributes = map[string]string{}
	}
	if colour := trimmed(form, "Color"); colour == "" {
		delete(s.Attributes, "Color")
	} else {
		s.Attributes["Color"] = colour
	}
	if manager := form.Get("ConfigurationManager"); manager != "" {
		s.ConfigurationManager = managerOf(manager)
	}
	s.ChefConfiguration = models.ChefConfiguration{ManageBerkshelf: form.Get("ManageBerkshelf") != "", BerkshelfVersion: trimmed(form, "BerkshelfVersion")}
	s.UseCustomCookbooks = form.Get("UseCustomCookbooks") != ""
	s.CustomCookbooksSource = sourceOf(form)
	s.CustomJSON = customJSON(form)
	s.DefaultOs = trimmed(form, "DefaultOs")
	if device := form.Get("DefaultRootDeviceType"); device != "" {
		s.DefaultRootDeviceType = device
	}
	s.DefaultAvailabilityZone, s.DefaultSubnetID = trimmed(form, "DefaultAvailabilityZone"), trimmed(form, "DefaultSubnetId")
	s.DefaultSSHKeyName = trimmed(form, "DefaultSshKeyName")
	s.UseOpsworksSecurityGroups = form.Get("UseOpsworksSecurityGroups") != ""
	s.ServiceRoleArn, s.DefaultInstanceProfileArn = trimmed(form, "ServiceRoleArn"), trimmed(form, "DefaultInstanceProfileArn")
	s.AgentVersion = trimmed(form, "AgentVersion")
}

// managerOf reads "Chef 11.10" as a name and its version.
func managerOf(text string) models.ConfigurationManager {
	name, version, _ := strings.Cut(strings.TrimSpace(text), " ")
	return models.ConfigurationManager{Name: name, Version: version}
}

// customJSON is the text of the editor, with the line ends of the browser made
// plain.
func customJSON(form url.Values) string {
	return strings.TrimSpace(strings.ReplaceAll(form.Get("CustomJson"), "\r\n", "\n"))
}

// openSystems are the operating systems that a stack can still ask for.
func openSystems(all []models.OperatingSystem) []string {
	var names []string
	for _, o := range all {
		if !o.Closed {
			names = append(names, o.ID)
		}
	}
	return names
}
