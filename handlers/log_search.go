package handlers

import (
	"net/http"
	"time"

	"opsyard/engine/logstream"
	"opsyard/models"
	"opsyard/web"
)

// searchBudget is how long one request searches; the viewer shows what it has
// and asks for more.
const searchBudget = 300 * time.Millisecond

// searchLog answers with the numbers of matching lines: ?q=TEXT, ?regexp,
// ?case, ?from=LINE, ?limit=N.
func (h *Handlers) searchLog(w http.ResponseWriter, r *http.Request, c *models.Command) {
	from, err := number(r, "from", 0)
	limit, err2 := number(r, "limit", 1000)
	if err == nil {
		err = err2
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	hits, err := h.Logs.Search(r.Context(), c.ID, logstream.Query{
		Text: r.Form.Get("q"), Regexp: r.Form.Has("regexp"), Case: r.Form.Has("case"),
		From: from, Limit: int(min(max(limit, 1), logstream.MaxHits)), Budget: searchBudget,
	})
	if err != nil {
		h.fail(w, r, err)
		return
	}
	if hits.Lines == nil {
		hits.Lines = []int64{}
	}
	web.JSON(w, http.StatusOK, map[string]any{"hits": hits.Lines, "next": hits.Next, "all": hits.All})
}
