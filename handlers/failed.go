package handlers

import (
	"context"
	"io"
)

// failed is a page that could not be read; drawing it gives the error, which
// render logs and answers.
type failed struct{ err error }

// Render is the error.
func (f failed) Render(context.Context, io.Writer) error { return f.err }
