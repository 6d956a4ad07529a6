package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"opsyard/agent/archive"
	"opsyard/agent/protocol"
)

const (
	maxDownload = 8 << 30
	// stallAfter ends a download that brings no byte for so long.
	stallAfter = 60 * time.Second
)

var errStalled = fmt.Errorf("no data for %s", stallAfter)

// fetchArchive downloads and unpacks. An archive with one directory at its
// top, as forges make them, is unpacked without it.
func fetchArchive(ctx context.Context, src protocol.Source, w workspace, out io.Writer) (string, error) {
	show := Show(src.URL)
	fmt.Fprintf(out, "Downloading %s\n", show)
	file := filepath.Join(w.private, "download")
	digest, size, err := download(ctx, src, file)
	if err != nil {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		return "", fmt.Errorf("Archive %s could not be read: %w", show, err)
	}
	if err := archive.Unpack(ctx, file, w.tree, archive.DefaultLimits); err != nil {
		return "", fmt.Errorf("Archive %s could not be unpacked: %w", show, err)
	}
	if err := lift(w.tree, w.private); err != nil {
		return "", fmt.Errorf("Archive %s could not be unpacked: %w", show, err)
	}
	fmt.Fprintf(out, "Downloaded %d bytes, %s\n", size, digest)
	return digest, nil
}

func download(ctx context.Context, src protocol.Source, file string) (digest string, size int64, err error) {
	address, user, password := split(src)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", 0, errors.New("the address is not valid")
	}
	if req.URL.Scheme != "http" && req.URL.Scheme != "https" {
		return "", 0, errors.New("an archive's address begins with http:// or https://")
	}
	if user != "" || password != "" {
		req.SetBasicAuth(user, password)
	}
	stall := time.AfterFunc(stallAfter, func() { cancel(errStalled) })
	defer stall.Stop()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", 0, withoutAddress(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", 0, fmt.Errorf("the server answered %q", resp.Status)
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", 0, err
	}
	sum := sha256.New()
	body := &watched{r: io.LimitReader(resp.Body, maxDownload+1), stall: stall}
	size, err = io.Copy(io.MultiWriter(f, sum), body)
	if err = errors.Join(err, f.Close()); err != nil {
		return "", 0, withoutAddress(ctx, err)
	}
	if size > maxDownload {
		return "", 0, archive.ErrTooBig
	}
	return "sha256:" + hex.EncodeToString(sum.Sum(nil)), size, nil
}

// withoutAddress takes the address, and a password in it, out of an error.
func withoutAddress(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); errors.Is(cause, errStalled) {
		return cause
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// watched puts the stall timer off with every read.
type watched struct {
	r     io.Reader
	stall *time.Timer
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if n > 0 {
		w.stall.Reset(stallAfter)
	}
	return n, err
}

// lift replaces tree by its only directory, if that is all it holds.
func lift(tree, private string) error {
	entries, err := os.ReadDir(tree)
	if err != nil || len(entries) != 1 || !entries[0].IsDir() {
		return err
	}
	aside := filepath.Join(private, "lifted")
	if err := os.Rename(filepath.Join(tree, entries[0].Name()), aside); err != nil {
		return err
	}
	if err := os.Remove(tree); err != nil {
		return err
	}
	return os.Rename(aside, tree)
}
