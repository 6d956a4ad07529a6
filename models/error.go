package models

import (
	"errors"
	"fmt"
)

// Code says what kind of refusal an Error is; each surface maps it once.
type Code string

// Codes of an Error.
const (
	CodeInvalid         Code = "invalid"   // the request is wrong; ValidationException in the API
	CodeNotFound        Code = "not_found" // ResourceNotFoundException
	CodeForbidden       Code = "forbidden" // AccessDeniedException
	CodeUnauthenticated Code = "unauthenticated"
	CodeConflict        Code = "conflict" // somebody else was faster; reading again helps
	// CodeConfirm asks a person at the console to prove who they are, see Confirm.
	CodeConfirm   Code = "confirm"
	CodeThrottled Code = "throttled"
	CodeInternal  Code = "internal"
)

// Error is a refusal that people may read: Message is a whole sentence without
// inner detail. Any other error is shown as "Internal error" and logged.
type Error struct {
	Code    Code
	Field   string // the member that is wrong, in OpsWorks' spelling; empty for none
	Message string
	cause   error
}

// Error is the sentence.
func (e *Error) Error() string { return e.Message }

// Unwrap gives the inner error, which people do not see.
func (e *Error) Unwrap() error { return e.cause }

// Because keeps the inner error for the log.
func (e *Error) Because(cause error) *Error { e.cause = cause; return e }

// Invalid refuses a request whose content is wrong.
func Invalid(format string, args ...any) *Error {
	return &Error{Code: CodeInvalid, Message: fmt.Sprintf(format, args...)}
}

// InvalidField refuses one member of a request. The message begins with the
// member's name, as OpsWorks' own messages do ("Custom json: …").
func InvalidField(field, format string, args ...any) *Error {
	return &Error{Code: CodeInvalid, Field: field, Message: fmt.Sprintf(format, args...)}
}

// NotFound says that there is no such thing, or that the asker may not know of it.
func NotFound(kind string, id any) *Error {
	return &Error{Code: CodeNotFound, Message: fmt.Sprintf("Unable to find %s with ID %v", kind, id)}
}

// Forbidden refuses for lack of permission.
func Forbidden(format string, args ...any) *Error {
	return &Error{Code: CodeForbidden, Message: fmt.Sprintf(format, args...)}
}

// Conflict says that the thing changed meanwhile.
func Conflict(format string, args ...any) *Error {
	return &Error{Code: CodeConflict, Message: fmt.Sprintf(format, args...)}
}

// CodeOf finds the code of an error; anything uncoded is CodeInternal.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return CodeInternal
}

// Sentence is what people may see of an error.
func Sentence(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Message
	}
	return "Internal error. The details are in the server's log."
}
