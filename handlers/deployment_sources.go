package handlers

import (
	"context"

	"opsyard/models"
	"opsyard/models/store"
	"opsyard/views"
)

const (
	sourceGroups = 50 // of instances that got the same
	sourceNamed  = 8
)

// fetchedSources are what a deployment's commands got from repositories.
func (h *Handlers) fetchedSources(ctx context.Context, id models.DeploymentID) ([]views.FetchedSource, error) {
	groups, err := h.Store.Commands.SourceGroups(ctx, id, sourceGroups, sourceNamed)
	if err != nil {
		return nil, err
	}
	return bySource(groups), nil
}

// bySource turns "these instances got all that" into "from here they got this".
func bySource(groups []store.SourceGroup) []views.FetchedSource {
	var sources []views.FetchedSource
	at := map[models.Fetched]int{}
	for _, g := range groups {
		for _, f := range g.Sources {
			source := models.Fetched{For: f.For, Type: f.Type, URL: f.URL, Revision: f.Revision}
			n, ok := at[source]
			if !ok {
				n, at[source] = len(sources), len(sources)
				sources = append(sources, views.FetchedSource{Source: source})
			}
			sources[n].Contents = addContent(sources[n].Contents, f, g)
		}
	}
	return sources
}

func addContent(contents []views.FetchedContent, f models.Fetched, g store.SourceGroup) []views.FetchedContent {
	for n := range contents {
		c := &contents[n]
		if c.Got == f.Got {
			c.N += g.N
			c.Hostnames = append(c.Hostnames, g.Hostnames[:min(len(g.Hostnames), max(0, sourceNamed-len(c.Hostnames)))]...)
			return contents
		}
	}
	return append(contents, views.FetchedContent{Got: f.Got, Bytes: f.Bytes, Files: f.Files, N: g.N, Hostnames: g.Hostnames})
}
