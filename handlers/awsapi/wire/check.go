package wire

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// checker holds values against the model's shapes, the same way in both
// directions: what clients say is taken leniently, what we say is not.
type checker struct {
	shapes    map[string]*shape
	strict    bool
	clearable []string // members of the request itself that may be empty
	broken    []string // constraints, in AWS' words: the first ones
	count     int      // of all that are broken
}

// value returns what the shape takes of a value. Errors are of values that are
// not of the shape's type; broken constraints are collected.
func (c *checker) value(name string, v any, at string) (any, error) {
	s := c.shapes[name]
	switch v := v.(type) {
	case map[string]any:
		switch s.Type {
		case "structure":
			return c.structure(s, v, at)
		case "map":
			return c.dictionary(s, v, at)
		}
	case []any:
		if s.Type == "list" {
			return c.list(s, v, at)
		}
	case string:
		if s.Type == "string" {
			c.enum(s, v, at)
			return v, nil
		}
	case bool:
		if s.Type == "boolean" {
			return v, nil
		}
	case json.Number:
		if s.Type == "integer" || s.Type == "double" {
			return c.number(s, v, at)
		}
	}
	return nil, unreadable("%s must be %s, not %s", place(at), kinds[s.Type], kind(v))
}

func (c *checker) structure(s *shape, given map[string]any, at string) (any, error) {
	taken := make(map[string]any, len(given))
	for _, name := range slices.Sorted(maps.Keys(given)) { // the first problem is the same each time
		member, known := s.Members[name]
		switch {
		case !known && c.strict:
			return nil, unreadable("the model has no member %s", place(below(at, name)))
		case !known || c.unset(s, name, given[name], at):
			continue
		}
		v, err := c.value(member.Shape, given[name], below(at, name))
		if err != nil {
			return nil, err
		}
		taken[name] = v
	}
	for _, name := range s.Required {
		if _, ok := taken[name]; !ok {
			c.breaks("null", below(at, name), "Member must not be null")
		}
	}
	return taken, nil
}

// unset tells whether a client means that the member has no value.
func (c *checker) unset(s *shape, name string, v any, at string) bool {
	if c.strict {
		return false
	}
	if v == nil {
		return true
	}
	return v == "" && !slices.Contains(s.Required, name) && !(at == "" && slices.Contains(c.clearable, name))
}

func (c *checker) dictionary(s *shape, given map[string]any, at string) (any, error) {
	taken := make(map[string]any, len(given))
	for _, key := range slices.Sorted(maps.Keys(given)) {
		if given[key] == nil { // OpsWorks answers attributes that are not set like this
			continue
		}
		c.enum(c.shapes[s.Key.Shape], key, at)
		v, err := c.value(s.Value.Shape, given[key], at+"."+key)
		if err != nil {
			return nil, err
		}
		taken[key] = v
	}
	return taken, nil
}

func (c *checker) list(s *shape, given []any, at string) (any, error) {
	taken := make([]any, 0, len(given))
	for i, v := range given {
		if v == nil && !c.strict {
			continue
		}
		v, err := c.value(s.Member.Shape, v, at+"."+strconv.Itoa(i+1)+".member")
		if err != nil {
			return nil, err
		}
		taken = append(taken, v)
	}
	return taken, nil
}

func (c *checker) number(s *shape, n json.Number, at string) (any, error) {
	if s.Type == "integer" {
		if _, err := strconv.ParseInt(n.String(), 10, 32); err != nil {
			return nil, unreadable("%s must be a whole number of 32 bits, not %s", place(at), short(n.String()))
		}
	}
	f, err := n.Float64()
	if err != nil {
		return nil, unreadable("%s must be a number of 64 bits, not %s", place(at), short(n.String()))
	}
	if s.Min != nil && f < *s.Min {
		c.breaks("'"+short(n.String())+"'", at, fmt.Sprintf("Member must have value greater than or equal to %v", *s.Min))
	}
	if s.Max != nil && f > *s.Max {
		c.breaks("'"+short(n.String())+"'", at, fmt.Sprintf("Member must have value less than or equal to %v", *s.Max))
	}
	return n, nil
}

func (c *checker) enum(s *shape, v, at string) {
	if len(s.Enum) > 0 && !slices.Contains(s.Enum, v) {
		c.breaks("'"+short(v)+"'", at, "Member must satisfy enum value set: ["+strings.Join(s.Enum, ", ")+"]")
	}
}

func (c *checker) breaks(value, at, constraint string) {
	if c.count++; c.count <= told {
		c.broken = append(c.broken, fmt.Sprintf("Value %s at '%s' failed to satisfy constraint: %s", value, at, constraint))
	}
}

// told is how many broken constraints one sentence tells of.
const told = 10

// refusal is the problem of all broken constraints; nil when there are none.
func (c *checker) refusal() error {
	noun := "errors"
	switch c.count {
	case 0:
		return nil
	case 1:
		noun = "error"
	}
	return &Problem{Message: fmt.Sprintf("%d validation %s detected: %s", c.count, noun, strings.Join(c.broken, "; "))}
}

// below names a member as AWS does, beginning with a small letter.
func below(at, member string) string {
	member = strings.ToLower(member[:min(1, len(member))]) + member[min(1, len(member)):]
	if at == "" {
		return member
	}
	return at + "." + member
}

func place(at string) string {
	if at == "" {
		return "the body"
	}
	return "'" + short(at) + "'"
}

// short keeps a value that somebody sent readable in a sentence.
func short(s string) string {
	const most = 100
	if len(s) <= most {
		return s
	}
	cut := most
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// kinds are what the types of shapes are called in JSON.
var kinds = map[string]string{
	"structure": "an object", "map": "an object", "list": "a list", "string": "a string",
	"boolean": "true or false", "integer": "a number", "double": "a number",
}

func kind(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case map[string]any:
		return "an object"
	case []any:
		return "a list"
	case string:
		return "a string"
	case bool:
		return "a boolean"
	}
	return "a number"
}
