package wire

import (
	"go/ast"
	"go/parser"
	"go/token"
	"testing"
)

// TestOperations compares the model with the types beside it.
func TestOperations(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "types_gen.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	declared := map[string]bool{"": true}
	for _, d := range file.Decls {
		declared[d.(*ast.GenDecl).Specs[0].(*ast.TypeSpec).Name.Name] = true
	}
	list := Operations()
	if len(list) != 74 {
		t.Errorf("got %d operations, want 74", len(list))
	}
	for _, o := range list {
		if !declared[o.Input] || !declared[o.Output] {
			t.Errorf("%s: no type %s or %s", o.Name, o.Input, o.Output)
		}
	}
}

// TestShapes finds what the checks would not understand.
func TestShapes(t *testing.T) {
	t.Parallel()
	shapes := parsed().API.Shapes
	for name, s := range shapes {
		if kinds[s.Type] == "" {
			t.Errorf("%s has the type %s", name, s.Type)
		}
		refs := []ref{}
		switch s.Type {
		case "list":
			refs = append(refs, s.Member)
		case "map":
			refs = append(refs, s.Key, s.Value)
		}
		for _, member := range s.Members {
			refs = append(refs, member)
		}
		for _, r := range refs {
			if shapes[r.Shape] == nil {
				t.Errorf("%s refers to %s, which is not there", name, r.Shape)
			}
		}
		for _, required := range s.Required {
			if _, ok := s.Members[required]; !ok {
				t.Errorf("%s requires %s, which it does not have", name, required)
			}
		}
	}
	for operation, members := range clearable {
		for _, member := range members {
			s := shapes[parsed().API.Operations[operation].Input.Shape]
			if s == nil || shapes[s.Members[member].Shape] == nil {
				t.Errorf("%s has no %s to clear", operation, member)
			}
		}
	}
}
