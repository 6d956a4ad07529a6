package main

import "encoding/json"

// model is what package wire embeds. Its members are all that is taken from
// the files: what is not listed, such as texts, stays behind.
type model struct {
	API     api `json:"api"`
	Waiters struct {
		Version int               `json:"version"`
		Waiters map[string]waiter `json:"waiters"`
	} `json:"waiters"`
	Paginators struct {
		Pagination json.RawMessage `json:"pagination"`
	} `json:"paginators"`
}

type api struct {
	Version    string               `json:"version"`
	Metadata   map[string]any       `json:"metadata"`
	Operations map[string]operation `json:"operations"`
	Shapes     map[string]shape     `json:"shapes"`
}

type operation struct {
	Name string `json:"name"`
	HTTP struct {
		Method     string `json:"method"`
		RequestURI string `json:"requestUri"`
	} `json:"http"`
	Input  *ref  `json:"input,omitempty"`
	Output *ref  `json:"output,omitempty"`
	Errors []ref `json:"errors,omitempty"`
}

type ref struct {
	Shape string `json:"shape"`
}

type shape struct {
	Type      string         `json:"type"`
	Members   map[string]ref `json:"members,omitempty"`
	Required  []string       `json:"required,omitempty"`
	Member    *ref           `json:"member,omitempty"`
	Key       *ref           `json:"key,omitempty"`
	Value     *ref           `json:"value,omitempty"`
	Enum      []string       `json:"enum,omitempty"`
	Min       *float64       `json:"min,omitempty"`
	Max       *float64       `json:"max,omitempty"`
	Box       bool           `json:"box,omitempty"`
	Exception bool           `json:"exception,omitempty"`
}

type waiter struct {
	Delay       int               `json:"delay"`
	Operation   string            `json:"operation"`
	MaxAttempts int               `json:"maxAttempts"`
	Acceptors   []json.RawMessage `json:"acceptors"`
}
