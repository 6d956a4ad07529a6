package models

import "time"

// PlanID names a plan.
type PlanID string

// Plan is what a deployment would do, computed by what executes it: an answer
// to "which machines, which recipes, with what" before anything runs.
type Plan struct {
	ID        PlanID    `gorm:"primaryKey;size:36"`
	StackID   StackID   `gorm:"size:36;not null;index:plan_stack_created,priority:1"`
	UserID    UserID    `gorm:"size:36"`
	Author    string    `gorm:"size:64"`
	CreatedAt time.Time `gorm:"not null;index:plan_stack_created,priority:2"`
	// Fingerprint covers everything that decides what runs.
	Fingerprint string `gorm:"size:64;not null"`
	// Previous is the plan that this one replaces, because of Changes.
	Previous PlanID   `gorm:"size:36"`
	Changes  []string `gorm:"serializer:json"`
	// Request and Content may hold what people keep secret in their settings.
	Request DeploymentRequest `gorm:"serializer:secret"`
	Content PlanContent       `gorm:"serializer:secret"`
}

// PlanContent is what a plan shows. Secrets in it are Filtered.
type PlanContent struct {
	Groups   []PlanGroup   `json:"groups"`
	LeftOut  []PlanLeftOut `json:"left_out,omitempty"`
	Batches  []int         `json:"batches,omitempty"` // their sizes
	Warnings []string      `json:"warnings,omitempty"`
	// Sources are where code comes from: the custom cookbooks, then the apps.
	Sources []PlanSource `json:"sources,omitempty"`
	// Parts are signatures of what decides, by what people call it; those of two
	// plans tell what changed between them.
	Parts map[string]string `json:"parts"`
}

// Instances is how many instances the plan runs on.
func (c PlanContent) Instances() int {
	n := 0
	for _, g := range c.Groups {
		n += len(g.Instances)
	}
	return n
}

// PlanGroup is the instances of the same layers: they run the same.
type PlanGroup struct {
	Layers    []string       `json:"layers"` // short names
	Instances []PlanInstance `json:"instances"`
	Recipes   []RunItem      `json:"recipes,omitempty"`
	// RefreshCookbooks says that the custom cookbooks are fetched anew before.
	RefreshCookbooks bool            `json:"refresh_cookbooks,omitempty"`
	TimeoutSeconds   int             `json:"timeout_seconds"`
	Apps             []string        `json:"apps,omitempty"` // short names of those that the recipes are told of
	Documents        []PlanDocument  `json:"documents,omitempty"`
	Attributes       []PlanAttribute `json:"attributes,omitempty"`
}

// PlanInstance is an instance that the plan runs on.
type PlanInstance struct {
	ID       InstanceID     `json:"id"`
	Hostname string         `json:"hostname"`
	Status   InstanceStatus `json:"status"`
	Batch    int            `json:"batch,omitempty"`
	Busy     bool           `json:"busy,omitempty"`
}

// PlanLeftOut is an instance on which nothing runs, and why.
type PlanLeftOut struct {
	ID       InstanceID     `json:"id"`
	Hostname string         `json:"hostname"`
	Status   InstanceStatus `json:"status"`
	Reason   string         `json:"reason"`
}

// PlanDocument is a content that the agents are handed by its digest.
type PlanDocument struct {
	Name   string `json:"name"`
	Digest string `json:"digest"`
}

// PlanSource is a repository that the agents fetch from.
type PlanSource struct {
	Name     string     `json:"name"`
	Type     SourceType `json:"type"`
	URL      string     `json:"url"`
	Revision string     `json:"revision,omitempty"`
	// Fetched is the content that the last run fetched, where one is known.
	Fetched string `json:"fetched,omitempty"`
	By      int64  `json:"by,omitempty"` // number of the deployment that fetched it
}

// PlanAttribute is one value that recipes see, and who set it.
type PlanAttribute struct {
	Path   string `json:"path"` // keys joined by dots
	Value  string `json:"value"`
	Origin string `json:"origin"`
	// Overridden are values for the same path that lost, the last loser first.
	Overridden []PlanAttribute `json:"overridden,omitempty"`
}
