package handlers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"opsyard/models"
)

// inLine adds to the refusal of a document the line that it is about, if that
// can be told.
func inLine(sentence, document string) string {
	line := lineOf(document)
	if line == 0 {
		return sentence
	}
	const about = "Document: "
	return fmt.Sprintf("Line %d: %s", line, strings.TrimPrefix(sentence, about))
}

// lineOf is the line of the first thing in a policy that is refused; 0 when it
// has no place of its own.
func lineOf(document string) int {
	if err := json.Unmarshal([]byte(document), new(any)); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return lineAt(document, int(syntax.Offset)-1)
		}
		return 0
	}
	for _, s := range statementsIn(document) {
		_, err := models.ParsePolicy(`{"Version":"2012-10-17","Statement":` + s.text + `}`)
		if err != nil {
			return lineAt(document, s.at+wordAt(s.text, err))
		}
	}
	_, err := models.ParsePolicy(document)
	if at := wordAt(document, err); at > 0 {
		return lineAt(document, at)
	}
	return 0
}

func lineAt(document string, offset int) int {
	return 1 + strings.Count(document[:min(max(offset, 0), len(document))], "\n")
}

// quotedWord is a word of the document that a refusal names.
var quotedWord = regexp.MustCompile(`"([^"]+)"`)

// wordAt is where in the text the word stands that a refusal names; 0 without
// one. A refusal names the member and then its value; the value is nearer.
func wordAt(text string, refusal error) int {
	if refusal == nil {
		return 0
	}
	words := quotedWord.FindAllString(models.Sentence(refusal), 2)
	for _, word := range slices.Backward(words) {
		if at := strings.Index(text, word); at >= 0 {
			return at
		}
	}
	return 0
}

// placed is a part of a document and where it begins.
type placed struct {
	text string
	at   int
}

// statementsIn finds the statements of a document that is good JSON.
func statementsIn(document string) []placed {
	d := json.NewDecoder(strings.NewReader(document))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil
		}
		from := int(d.InputOffset())
		var value json.RawMessage
		if d.Decode(&value) != nil {
			return nil
		}
		if key == "Statement" {
			return elements(value, from+strings.Index(document[from:], string(value)))
		}
	}
	return nil
}

// elements are the parts of a list, or the one thing that is no list.
func elements(list json.RawMessage, at int) []placed {
	if !bytes.HasPrefix(list, []byte("[")) {
		return []placed{{string(list), at}}
	}
	d := json.NewDecoder(bytes.NewReader(list))
	if _, err := d.Token(); err != nil {
		return nil
	}
	var out []placed
	for d.More() {
		from := int(d.InputOffset())
		var one json.RawMessage
		if err := d.Decode(&one); err != nil && !errors.Is(err, io.EOF) {
			return nil
		}
		out = append(out, placed{string(one), at + from + bytes.Index(list[from:], one)})
	}
	return out
}
