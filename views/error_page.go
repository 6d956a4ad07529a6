package views

import "net/http"

// ErrorPage says what went wrong in one sentence and where to go from here.
type ErrorPage struct {
	Page      Page
	Status    int
	Sentence  string
	RequestID string
}

// ErrorTitle names a status as people do.
func ErrorTitle(status int) string {
	switch status {
	case http.StatusNotFound:
		return "Not found"
	case http.StatusForbidden:
		return "Not allowed"
	case http.StatusInternalServerError:
		return "Internal error"
	case http.StatusTooManyRequests:
		return "Too many tries"
	}
	return "Not done"
}

// hint says what to do; a stranger has no level that could be changed.
func (p ErrorPage) hint() string {
	switch {
	case p.Status == http.StatusInternalServerError:
		return "An administrator finds them there by the id below."
	case p.Page.User == "":
		return "Nothing was changed."
	}
	switch p.Status {
	case http.StatusNotFound:
		return "Or it is in a stack that you may not see; its managers can give you the level show."
	case http.StatusForbidden:
		return "Nothing was changed. Your level decides what you may do; an administrator can change it on the team page."
	}
	return "Nothing was changed."
}
