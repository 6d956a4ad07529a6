package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// Problem is what is wrong with a message. Serialization tells a message that
// cannot be read from one whose values are not allowed.
type Problem struct {
	Serialization bool
	Message       string
}

// Error is the sentence for whoever sent the message.
func (p *Problem) Error() string { return p.Message }

func unreadable(format string, args ...any) *Problem {
	return &Problem{Serialization: true, Message: fmt.Sprintf(format, args...)}
}

// clearable are the members that an update may empty. Everywhere else an empty
// string is how some clients, Terraform among them, leave a member unset.
var clearable = map[string][]string{
	"UpdateApp":           {"Description"},
	"UpdateElasticIp":     {"Name"},
	"UpdateLayer":         {"CustomInstanceProfileArn", "CustomJson"},
	"UpdateMyUserProfile": {"SshPublicKey"},
	"UpdateStack":         {"CustomJson", "DefaultSshKeyName"},
	"UpdateUserProfile":   {"SshPublicKey"},
	"UpdateVolume":        {"Name", "MountPoint"},
}

// Decode reads the body of a request into a value of the operation's input type
// and checks what the model demands. Unknown members, nulls and empty strings of
// members that may be unset are dropped. Into may be nil where the operation has
// no input. What is wrong with the body comes as a *Problem.
func Decode(operation string, body []byte, into any) error {
	o, ok := parsed().API.Operations[operation]
	if !ok {
		return fmt.Errorf("decode %s: the API has no such operation", operation)
	}
	members, err := readObject(body)
	if err != nil || o.Input.Shape == "" {
		return err
	}
	c := checker{shapes: parsed().API.Shapes, clearable: clearable[operation]}
	clean, err := c.value(o.Input.Shape, members, "")
	if err != nil {
		return err
	}
	if err := c.refusal(); err != nil {
		return err
	}
	text, err := json.Marshal(clean)
	if err != nil {
		return fmt.Errorf("decode %s: %w", operation, err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("decode %s: %w", operation, err)
	}
	return nil
}

// CheckResponse finds what the model does not know in the body of a response:
// other members, types and values, and members that are null.
func CheckResponse(operation string, body []byte) error {
	o, ok := parsed().API.Operations[operation]
	if !ok {
		return fmt.Errorf("check the response of %s: the API has no such operation", operation)
	}
	members, err := readObject(body)
	if err != nil {
		return err
	}
	if o.Output.Shape == "" {
		if len(members) > 0 {
			return unreadable("%s answers nothing, but the response has members", operation)
		}
		return nil
	}
	c := checker{shapes: parsed().API.Shapes, strict: true}
	if _, err := c.value(o.Output.Shape, members, ""); err != nil {
		return err
	}
	return c.refusal()
}

// readObject reads a body; an empty one is an object without members.
func readObject(body []byte) (map[string]any, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return map[string]any{}, nil
	}
	if !utf8.Valid(body) {
		return nil, unreadable("the body is not valid UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil {
		return nil, unreadable("the body is not valid JSON: %v", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, unreadable("the body has more in it than one JSON object")
	}
	members, ok := value.(map[string]any)
	if !ok {
		return nil, unreadable("the body must be a JSON object, not %s", kind(value))
	}
	return members, nil
}
