package views

import (
	"fmt"
	"strings"

	"opsyard/models"
)

// FetchedSource is a repository that commands of a deployment read, with what
// they got from it.
type FetchedSource struct {
	Source   models.Fetched // For, Type, URL and Revision
	Contents []FetchedContent
}

// FetchedContent is one content of a repository and who got it.
type FetchedContent struct {
	Got       string
	Bytes     int64
	Files     int
	N         int      // instances
	Hostnames []string // some of them
}

// Differs tells whether instances got different contents.
func (s FetchedSource) Differs() bool { return len(s.Contents) > 1 }

// what names whose code it is.
func (s FetchedSource) what() string {
	if s.Source.For == "" {
		return "Cookbooks"
	}
	return s.Source.For
}

func (s FetchedSource) asked() string {
	if s.Source.Revision == "" {
		return ""
	}
	return "asked for " + s.Source.Revision
}

// short is a commit or digest as people compare it.
func (c FetchedContent) short() string {
	if digest, ok := strings.CutPrefix(c.Got, "sha256:"); ok {
		return "sha256:" + digest[:min(len(digest), 12)]
	}
	return c.Got[:min(len(c.Got), 12)]
}

func (c FetchedContent) size() string { return Bytes(c.Bytes) + " in " + Count(c.Files, "file") }

// who lists the instances that got it.
func (c FetchedContent) who() string {
	names := strings.Join(c.Hostnames, ", ")
	if more := c.N - len(c.Hostnames); more > 0 {
		return fmt.Sprintf("%s and %s more", names, Thousands(more))
	}
	return names
}

// differing counts the repositories that gave different contents.
func differing(sources []FetchedSource) (n int) {
	for _, s := range sources {
		if s.Differs() {
			n++
		}
	}
	return n
}
