package models

import (
	"maps"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxTags is how many tags a stack or layer can have, inherited ones included.
const MaxTags = 40

const (
	maxTagKey   = 127
	maxTagValue = 255
)

// reservedTags begin the keys that only the service itself sets.
var reservedTags = []string{"aws:", "opsworks:", "rds:"}

// NormalizeTags trims keys and values and refuses those that OpsWorks would
// refuse (OpsWorks: "Tags").
func NormalizeTags(given map[string]string) (map[string]string, error) {
	tags := make(map[string]string, len(given))
	for key, value := range given {
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if err := checkTag(key, value); err != nil {
			return nil, err
		}
		if _, twice := tags[key]; twice {
			return nil, InvalidField("Tags", "Tags: the key %q is given twice.", key)
		}
		tags[key] = value
	}
	return tags, nil
}

func checkTag(key, value string) error {
	for _, prefix := range reservedTags {
		if strings.HasPrefix(strings.ToLower(key), prefix) {
			return InvalidField("Tags", "Tags: keys that begin with %s are reserved.", prefix)
		}
	}
	switch {
	case key == "":
		return InvalidField("Tags", "Tags: a key is missing.")
	case key == "name" || key == "Name":
		return InvalidField("Tags", "Tags: the key %s is reserved.", key)
	case utf8.RuneCountInString(key) > maxTagKey:
		return InvalidField("Tags", "Tags: a key is too long (maximum is %d characters).", maxTagKey)
	case utf8.RuneCountInString(value) > maxTagValue:
		return InvalidField("Tags", "Tags: the value of %q is too long (maximum is %d characters).", key, maxTagValue)
	case strings.ContainsFunc(key+value, notOfTags):
		return InvalidField("Tags", "Tags: %q holds characters other than letters, digits, spaces and + - = . _ : /", key)
	}
	return nil
}

func notOfTags(r rune) bool {
	return r == utf8.RuneError || !unicode.In(r, unicode.L, unicode.N, unicode.Zs) && !strings.ContainsRune("+-=._:/", r)
}

// WithInherited are a layer's tags: the stack's, and its own over them.
func (l *Layer) WithInherited(stack *Stack) map[string]string {
	tags := make(map[string]string, len(stack.Tags)+len(l.Tags))
	maps.Copy(tags, stack.Tags)
	maps.Copy(tags, l.Tags)
	return tags
}
