package models

// Fetched is code that a command got from a repository.
type Fetched struct {
	// For is the short name of the app whose code it is, the directory that a
	// recipe fetched into, or empty for the stack's cookbooks.
	For      string     `json:"for,omitempty"`
	Type     SourceType `json:"type"`
	URL      string     `json:"url"`                // without credentials
	Revision string     `json:"revision,omitempty"` // that was asked for
	Got      string     `json:"got"`                // a commit, a revision, or "sha256:" and the archive's digest
	Bytes    int64      `json:"bytes"`
	Files    int        `json:"files"`
}
