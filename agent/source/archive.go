package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"opsyard/agent/archive"
)

// fetchArchive downloads over HTTP and unpacks.
func fetchArchive(ctx context.Context, j *job) (string, error) {
	address, user, password := split(j.src)
	o, err := newHTTPObject(address, user, password)
	if err != nil {
		return "", fmt.Errorf("Archive %s could not be read: %w", j.show, err)
	}
	return j.fetchObject(ctx, o)
}

// fetchObject downloads an archive, unless the server says that the one in the
// cache is still the same, and unpacks it.
func (j *job) fetchObject(ctx context.Context, o object) (string, error) {
	kept, has := j.cache.find(j.key())
	if !has {
		kept = entry{}
	}
	fmt.Fprintf(j.out, "Downloading %s\n", j.show)
	file := filepath.Join(j.private, "download")
	d, err := j.download(ctx, o, kept, file)
	if err == nil && d.same {
		if j.cache.sound(kept) {
			fmt.Fprintf(j.out, "It is the same as in the cache, %s\n", kept.Got)
			return kept.Got, j.unpack(ctx, kept.data)
		}
		d, err = j.download(ctx, o, entry{}, file)
	}
	if err != nil {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		return "", fmt.Errorf("Archive %s could not be read: %w", j.show, err)
	}
	fmt.Fprintf(j.out, "Downloaded %d bytes, %s\n", d.bytes, d.digest)
	if err := j.unpack(ctx, file); err != nil {
		return "", err
	}
	fresh := entry{Got: d.digest, ETag: d.etag, LastModified: d.lastModified}
	j.keep(fresh, d.bytes, func(data string) error { return move(file, data) })
	return d.digest, nil
}

// unpack fills the tree. An archive with one directory at its top, as forges
// make them, is unpacked without it.
func (j *job) unpack(ctx context.Context, file string) error {
	err := archive.Unpack(ctx, file, j.tree, j.limits.Limits)
	if err == nil {
		err = lift(j.tree, j.private)
	}
	if err == nil {
		j.size, err = inspect(j.tree, j.limits.Limits)
	}
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("Archive %s could not be unpacked: %w", j.show, err)
	}
	return nil
}

func (j *job) keep(e entry, bytes int64, write func(file string) error) {
	if err := j.cache.keep(j.key(), e, bytes, write); err != nil {
		fmt.Fprintf(j.out, "It could not be kept for the next time: %v\n", err)
	}
}

// move renames, and copies where the cache is on another disk.
func move(from, to string) error {
	if os.Rename(from, to) == nil {
		return nil
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
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
