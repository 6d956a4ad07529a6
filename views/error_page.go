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

func (p ErrorPage) hint() string {
	switch p.Status {
	case http.StatusNotFound:
		return "Or it is in a stack that you may not see; its managers can give you the level show."
	case http.StatusForbidden:
		return "Nothing was changed. An administrator can change your level on the team page."
	case http.StatusInternalServerError:
		return "The id below leads to the details in the server's log."
	}
	return "Nothing was changed."
}
