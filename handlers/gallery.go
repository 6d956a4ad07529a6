package handlers

import (
	"net/http"

	"opsyard/views"
	"opsyard/views/ui"
)

// showGallery is for whoever changes a component; it is there with --dev only.
func (h *Handlers) showGallery(w http.ResponseWriter, r *http.Request) {
	p := h.page(w, r, "Gallery", "", ui.Crumb{Label: "Gallery"})
	h.render(w, r, http.StatusOK, views.Gallery(views.GalleryPage{Page: p}))
}
