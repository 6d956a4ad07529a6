package views

import (
	"time"

	"opsyard/models"
	"opsyard/views/ui"
)

// GalleryPage shows every component in every state, with samples.
type GalleryPage struct{ Page Page }

var (
	gallerySome = []ui.Count{{State: "setup_failed", N: 1}, {State: "connection_lost", N: 2}, {State: "booting", N: 2}, {State: "running_setup", N: 1}, {State: "online", N: 20}, {State: "stopped", N: 4}}
	galleryMany = []ui.Count{{State: "connection_lost", N: 9}, {State: "online", N: 1411}, {State: "stopped", N: 30}}
)

var galleryTones = []ui.Tone{ui.OK, ui.Run, ui.Warn, ui.Bad, ui.Wait, ui.Lost, ui.Off}

func galleryTabs() []ui.TabProps {
	return []ui.TabProps{{Href: "/gallery", Label: "Recipes", Current: true}, {Href: "/gallery", Label: "Instances", Count: "8"}, {Href: "/gallery", Label: "Scaling"}}
}

func (p GalleryPage) before(d time.Duration) time.Time { return p.Page.Now.Add(-d) }

func galleryLevels() []models.Level { return models.Levels }
