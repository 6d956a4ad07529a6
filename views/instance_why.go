package views

import (
	"cmp"
	"fmt"
	"time"

	"opsyard/models"
)

// Why answers the question why an instance is in its state: one sentence, and
// what it is known from.
type Why struct {
	Sentence string
	Evidence []Fact
}

// WhyOf explains the state of an instance. h is the newest decision of healing
// about it, nil if there is none.
func WhyOf(i models.Instance, h *models.Healing, now time.Time) Why {
	if h != nil && !h.Open() {
		h = nil
	}
	w := Why{Sentence: whySentence(i, h, now)}
	add := func(name, value string) {
		if value != "" {
			w.Evidence = append(w.Evidence, Fact{Name: name, Value: value})
		}
	}
	add("In this state since", moment(&i.StatusSince))
	add("Because", CauseText(i.StatusCause))
	add("Agent last heard", cmp.Or(moment(i.AgentSeenAt), "never"))
	if h != nil {
		for _, f := range EvidenceFacts(h.Evidence) {
			add(f.Name, f.Value)
		}
	}
	return w
}

// EvidenceFacts are the lines of what healing knew.
func EvidenceFacts(e models.HealingEvidence) []Fact {
	if e.At.IsZero() {
		return nil
	}
	machine := e.Machine
	if e.Reason != "" && e.Reason != e.Machine {
		machine += " (" + e.Reason + ")"
	}
	list := facts(Fact{Name: "Provider says", Value: machine}, Fact{Name: "Provider does not answer", Value: e.Doubt})
	for _, p := range e.Probes {
		value := "does not reach it"
		if p.Alive {
			value = "reaches it"
		}
		if p.Detail != "" {
			value += ": " + p.Detail
		}
		list = append(list, Fact{Name: "From " + cmp.Or(p.From, "this server"), Value: value})
	}
	return append(list, Fact{Name: "Looked at", Value: moment(&e.At)})
}

func moment(t *time.Time) string {
	if t == nil || t.IsZero() {
		return ""
	}
	return t.UTC().Format("2 Jan 15:04:05") + " UTC"
}

// whySentence has a sentence for every state.
func whySentence(i models.Instance, h *models.Healing, now time.Time) string {
	by := ""
	if cause := CauseText(i.StatusCause); cause != "" {
		by = ", because " + cause
	}
	until := ""
	if i.StatusDeadline != nil {
		until = ", until " + i.StatusDeadline.UTC().Format("15:04:05") + " UTC at the latest"
	}
	switch i.Status {
	case models.InstanceConnectionLost:
		return lostSentence(i, h)
	case models.InstanceOnline:
		return onlineSentence(i, now)
	case models.InstanceStopped:
		return "It has no running machine" + by + ". " + whoStarts(i)
	case models.InstanceRequested:
		return "A start was asked for" + by + "; its machine comes next."
	case models.InstancePending:
		return "Its provider makes its machine" + by + "."
	case models.InstanceBooting:
		return "Its machine runs, and its agent is awaited" + until + "."
	case models.InstanceRunningSetup:
		return "Its agent is here, and its Setup and Deploy recipes run" + by + "."
	case models.InstanceSetupFailed:
		return endStop(cmp.Or(i.StatusReason, "A Setup recipe failed")) + " Its machine and its agent are well; run Setup again when the cause is mended."
	case models.InstanceStartFailed, models.InstanceStopFailed:
		return endStop(cmp.Or(i.StatusReason, "Its machine did not do what was asked"))
	case models.InstanceStopping, models.InstanceTerminating:
		return "A stop was asked for" + by + "; its Shutdown recipes come next."
	case models.InstanceShuttingDown:
		return "Its Shutdown recipes run" + until + "; then its machine is stopped."
	case models.InstanceTerminated:
		return "Its machine is gone" + by + "; it becomes stopped."
	case models.InstanceRebooting:
		return "Its machine reboots" + by + "; its agent is awaited" + until + "."
	}
	return hostSentence(i, by)
}

// hostSentence is of the states that only registered hosts have.
func hostSentence(i models.Instance, by string) string {
	switch i.Status {
	case models.InstanceRegistering:
		return "It was registered, and its agent has not called yet."
	case models.InstanceRegistered:
		return "Its agent is here, and it is in no layer" + by + "."
	case models.InstanceAssigning:
		return "It was assigned to layers; Setup comes next" + by + "."
	case models.InstanceUnassigning:
		return "It leaves its layers" + by + "; its Shutdown recipes run first."
	}
	return fmt.Sprintf("It is %s%s.", i.Status, by)
}

func lostSentence(i models.Instance, h *models.Healing) string {
	sentence := endStop(cmp.Or(i.StatusReason, "Its agent does not answer"))
	if h != nil {
		sentence += " " + h.Sentence
	}
	return sentence
}

// offlineAfter is when a silent agent is worth a word.
const offlineAfter = 45 * time.Second

func onlineSentence(i models.Instance, now time.Time) string {
	sentence := "Its Setup succeeded"
	if i.SetupAt != nil {
		sentence += " at " + moment(i.SetupAt)
	}
	if i.AgentSeenAt != nil && now.Sub(*i.AgentSeenAt) > offlineAfter {
		return sentence + ", but its agent has been silent for " + Span(now.Sub(*i.AgentSeenAt).Truncate(time.Second)) + "; after about 5 minutes its connection counts as lost."
	}
	return sentence + ", and its agent answers."
}

func whoStarts(i models.Instance) string {
	switch i.AutoScalingType {
	case models.ScalingTimer:
		return "Its schedule starts it."
	case models.ScalingLoad:
		return "It is started when the load asks for it."
	}
	return "A person starts it."
}
