package wire

import (
	_ "embed"
	"encoding/json"
	"html"
	"maps"
)

// Version names the version of the API that this package knows.
const Version = "2013-02-18"

// Description is our own description of the API, in the form that boto3 and the
// AWS command line read as service-2.json. Its texts are sentences of ours.
func Description() []byte {
	var m struct {
		API struct {
			Version       string                     `json:"version"`
			Metadata      json.RawMessage            `json:"metadata"`
			Operations    map[string]map[string]any  `json:"operations"`
			Shapes        map[string]json.RawMessage `json:"shapes"`
			Documentation string                     `json:"documentation"`
		} `json:"api"`
	}
	embedded(&m)
	m.API.Documentation = paragraph("Opsyard, the self-hosted successor to AWS OpsWorks Stacks. Name the server by --endpoint-url or AWS_ENDPOINT_URL_OPSWORKS.")
	for name, o := range m.API.Operations {
		o["documentation"] = paragraph(sentences[name])
	}
	return file(m.API)
}

// Waiters is what the clients read as waiters-2.json: when they stop waiting.
func Waiters() []byte {
	var m struct {
		Waiters any `json:"waiters"`
	}
	embedded(&m)
	return file(m.Waiters)
}

// Paginators is what the clients read as paginators-1.json. Operations whose
// pages have no token are not in it: the AWS command line fails on them.
func Paginators() []byte {
	var m struct {
		Paginators struct {
			Pagination map[string]map[string]any `json:"pagination"`
		} `json:"paginators"`
	}
	embedded(&m)
	maps.DeleteFunc(m.Paginators.Pagination, func(_ string, p map[string]any) bool { return p["input_token"] == nil })
	return file(m.Paginators)
}

// EndpointRules is what the clients read as endpoint-rule-set-1.json: there is
// no address but the one that somebody names. Without it they would go to the
// servers of AWS, where OpsWorks has ended.
func EndpointRules() []byte { return endpointRules }

//go:embed endpoint_rules.json
var endpointRules []byte

func embedded(into any) {
	if err := json.Unmarshal(modelText, into); err != nil {
		panic("the embedded model is not JSON: " + err.Error()) // a test reads it
	}
}

func file(v any) []byte {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic("the embedded model cannot be written: " + err.Error()) // it was JSON before
	}
	return append(text, '\n')
}

// paragraph is how the clients' help wants a text.
func paragraph(text string) string { return "<p>" + html.EscapeString(text) + "</p>" }
