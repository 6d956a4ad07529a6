package views

import (
	"fmt"
	"strings"
	"time"

	"opsyard/models"
)

// LayerList is the list of a stack's layers.
type LayerList struct {
	Frame StackFrame
	Rows  []LayerRow
}

// LayerRow is one layer in the list.
type LayerRow struct {
	Layer   models.Layer
	Counts  StatusCounts
	Recipes map[models.Event]int // custom ones
	CPU     Chart                // of the last hour
}

// LayerShow is the page of one layer.
type LayerShow struct {
	Frame     StackFrame
	Now       time.Time
	Layer     models.Layer
	Tab       string // one of LayerTabs
	Counts    StatusCounts
	Events    []EventRecipes
	Editing   bool // the lists are open for editing
	EditError string
	Instances []InstanceRow
	Form      Form   // of the part that the tab shows
	Merged    string // custom JSON of stack and layer as recipes get it
	Tags      []TagRow
	Inherited map[string]string // tags of the stack
	Scaling   ScalingShow
}

// Sentence says what the layer is and how its instances do.
func (p LayerShow) Sentence() Sentence {
	s := Sentence{Lead: layerLead(p.Layer) + "."}
	total, online := p.Counts.Total(), p.Counts[models.InstanceOnline]
	switch {
	case total == 0:
		s.Rest = []Phrase{{Text: "It has no instances yet. Its recipes run on each instance that you add."}}
	case online == total:
		s.Rest = []Phrase{{Text: fmt.Sprintf("All of its %s online.", countBe(total))}}
	default:
		s.Rest = []Phrase{{Text: fmt.Sprintf("%s of %s online.", Thousands(online), countBe(total))}}
	}
	return s
}

func countBe(n int) string {
	if n == 1 {
		return "1 instance is"
	}
	return Thousands(n) + " instances are"
}

// EventRecipes is one of the five lists: what is built in runs first and
// cannot be edited, what is custom follows.
type EventRecipes struct {
	Event   models.Event
	When    string
	BuiltIn []string
	Custom  []string
	Error   string
}

// EventWhen says when an event runs.
func EventWhen(e models.Event, shutdownTimeout int) string {
	switch e {
	case models.EventSetup:
		return "When an instance has booted. Deploy follows."
	case models.EventConfigure:
		return "When any instance of the stack enters or leaves online."
	case models.EventDeploy:
		return "On deploy, and right after Setup."
	case models.EventUndeploy:
		return "On undeploy, or when an app is deleted."
	case models.EventShutdown:
		return fmt.Sprintf("Before a stop. Cut after %d s.", shutdownTimeout)
	}
	return ""
}

// EventName is an event as the page spells it.
func EventName(e models.Event) string {
	if e == "" {
		return ""
	}
	return string(e[0]-'a'+'A') + string(e[1:])
}

func (p LayerList) lead() string {
	if len(p.Rows) == 0 {
		return "There is no layer yet."
	}
	return Count(len(p.Rows), "layer") + " in traffic order."
}

func (p LayerShow) href(path string) string { return LayerHref(p.Frame.ID, p.Layer.ID) + path }

// LayerFacts are a layer's settings for those who may only look.
func LayerFacts(l models.Layer) []Fact {
	return facts(
		Fact{Name: "Layer id", Value: string(l.ID), Code: true},
		Fact{Name: "Type", Value: string(l.Type), Code: true},
		Fact{Name: "Served by", Value: EngineName(l)},
		Fact{Name: "Short name", Value: l.Shortname, Code: true},
		Fact{Name: "Auto healing", Value: HealingModeText(l.HealingMode())},
		Fact{Name: "Shutdown timeout", Value: fmt.Sprintf("%d s", l.Shutdown.ExecutionTimeout)},
		Fact{Name: "Packages", Value: strings.Join(l.Packages, ", "), Code: true},
		Fact{Name: "Created", Value: l.CreatedAt.UTC().Format("2 Jan 2006 15:04") + " UTC"},
	)
}

func noneText(e EventRecipes) string {
	if len(e.BuiltIn) == 0 {
		return "None. Nothing runs."
	}
	return "None. Only built-in recipes run."
}

func dashZero(n int) string {
	if n == 0 {
		return "–"
	}
	return Thousands(n)
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
