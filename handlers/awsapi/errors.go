package awsapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"opsyard/handlers/awsapi/wire"
	"opsyard/models"
	"opsyard/web"
	"opsyard/web/sigv4"
)

// failure is an error in the form of AWS' JSON protocol. SDKs make a typed
// error of __type; OpsWorks writes "message" small.
type failure struct {
	Type    string `json:"__type"`
	Message string `json:"message"`
	status  int
}

// Error makes a failure one that an operation may return.
func (f *failure) Error() string { return f.Type + ": " + f.Message }

// unreadable is a body that did not arrive whole.
type unreadable struct{ error }

func (u *unreadable) Unwrap() error { return u.error }

func unknownOperation(r *http.Request) *failure {
	message := fmt.Sprintf("There is no operation %q here.", clip(r.Header.Get("X-Amz-Target")))
	if !isJSON(r) {
		message = fmt.Sprintf("The content type of requests is %s, not %q.", contentType, clip(r.Header.Get("Content-Type")))
	}
	return &failure{"UnknownOperationException", message, http.StatusBadRequest}
}

func clip(text string) string { return text[:min(len(text), 100)] }

// types is the one place where codes of ours become error types of AWS.
var types = map[models.Code]string{
	models.CodeInvalid:         "ValidationException",
	models.CodeConflict:        "ValidationException", // OpsWorks has no type for it
	models.CodeNotFound:        "ResourceNotFoundException",
	models.CodeForbidden:       "AccessDeniedException",
	models.CodeConfirm:         "AccessDeniedException", // only the console asks
	models.CodeThrottled:       "ThrottlingException",
	models.CodeUnauthenticated: string(sigv4.Unrecognized),
}

// failureOf finds what a client is told. Nothing of an error that we did not
// write for people gets out.
func failureOf(err error) *failure {
	var ready *failure
	var signature *sigv4.Error
	var problem *wire.Problem
	var large *http.MaxBytesError
	var body *unreadable
	switch {
	case errors.As(err, &ready):
		return ready
	case errors.As(err, &signature):
		return &failure{string(signature.Type), signature.Message, http.StatusBadRequest}
	case errors.As(err, &problem) && problem.Serialization:
		return &failure{"SerializationException", problem.Message, http.StatusBadRequest}
	case errors.As(err, &problem):
		return &failure{"ValidationException", problem.Message, http.StatusBadRequest}
	case errors.As(err, &large):
		return &failure{"RequestEntityTooLargeException", fmt.Sprintf("A request must not be larger than %d bytes.", large.Limit), http.StatusRequestEntityTooLarge}
	case errors.As(err, &body):
		return &failure{"SerializationException", "The request's body did not arrive whole.", http.StatusBadRequest}
	case types[models.CodeOf(err)] != "":
		return &failure{types[models.CodeOf(err)], models.Sentence(err), http.StatusBadRequest}
	case errors.Is(err, context.DeadlineExceeded):
		return &failure{"ServiceUnavailable", "The server is too busy to answer now. Try again.", http.StatusServiceUnavailable}
	}
	return internalFailure()
}

func internalFailure() *failure {
	return &failure{"InternalFailure", "Internal error. The details are in the server's log, with the id of this request.", http.StatusInternalServerError}
}

// refuse answers with an error, and logs what is ours to mend.
func (a *API) refuse(w http.ResponseWriter, r *http.Request, err error) {
	f := failureOf(err)
	if f.status >= http.StatusInternalServerError && r.Context().Err() == nil {
		a.Log.ErrorContext(r.Context(), "answer an API request", slog.String("target", clip(r.Header.Get("X-Amz-Target"))),
			slog.String("request_id", web.RequestID(r.Context())), slog.Any("error", err))
	}
	tell(w, f)
}

func tell(w http.ResponseWriter, f *failure) {
	body, _ := json.Marshal(f) // two strings cannot fail
	write(w, f.status, body)
}
