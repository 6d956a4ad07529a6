// Package wire is the form in which AWS clients and the OpsWorks Stacks API
// speak: its types, and the checks that the API's model asks for.
package wire

import (
	_ "embed"
	"maps"
	"slices"
	"sync"
)

//go:embed model_gen.json
var modelText []byte

// Operation is one verb of the API; Input and Output name the types of this
// package, and are empty where the verb has none.
type Operation struct {
	Name, Input, Output string
}

// Operations are all verbs of the API, in the order of the alphabet.
func Operations() []Operation {
	api := &parsed().API
	list := make([]Operation, 0, len(api.Operations))
	for _, name := range slices.Sorted(maps.Keys(api.Operations)) {
		o := api.Operations[name]
		list = append(list, Operation{Name: name, Input: o.Input.Shape, Output: o.Output.Shape})
	}
	return list
}

// model is what the checks read of model_gen.json.
type model struct {
	API struct {
		Operations map[string]struct{ Input, Output ref }
		Shapes     map[string]*shape
	}
}

type ref struct{ Shape string }

// shape is a type of the model. The members in use depend on its Type.
type shape struct {
	Type     string
	Members  map[string]ref
	Required []string
	Member   ref // of a list
	Key      ref // of a map
	Value    ref
	Enum     []string
	Min, Max *float64
}

var parsed = sync.OnceValue(func() *model {
	m := new(model)
	embedded(m)
	return m
})
