package main

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// A backup is a tar.gz file with the database, the secret key and the logs of
// finished commands. Whoever has it has the installation: it is made 0600.

type backupCmd struct {
	dataFlags
	LogStore string `help:"Directory of the logs, if it is not in the data directory."`
	File     string `arg:"" help:"File to make; it must not exist." type:"path"`
}

// Run makes the backup; the server may go on running.
func (c *backupCmd) Run(ctx context.Context) (err error) {
	st, err := c.existing(ctx, newLog("warn"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	work, err := os.MkdirTemp(filepath.Dir(c.File), ".backup-*")
	if err != nil {
		return fmt.Errorf("make the backup: %w", err)
	}
	defer os.RemoveAll(work)
	copied := filepath.Join(work, "opsyard.db")
	if err := st.Backup(ctx, copied); err != nil {
		return err
	}
	out, err := os.OpenFile(c.File, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("make the backup: %w", err)
	}
	defer func() {
		if err = errors.Join(err, out.Close()); err != nil {
			_ = os.Remove(c.File)
		}
	}()
	zip := gzip.NewWriter(out)
	archive := tar.NewWriter(zip)
	logs := c.LogStore
	if logs == "" {
		logs = filepath.Join(c.Data, "logs")
	}
	err = errors.Join(
		addFile(archive, copied, "opsyard.db"),
		addFile(archive, filepath.Join(c.Data, "secret.key"), "secret.key"),
		addTree(archive, logs, "logs"),
		archive.Close(), zip.Close(), out.Sync(),
	)
	if err == nil {
		fmt.Println("backup  ", c.File)
	}
	return err
}

func addTree(archive *tar.Writer, root, name string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // no log yet, or one that was deleted meanwhile
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		return addFile(archive, path, filepath.Join(name, rel))
	})
}

func addFile(archive *tar.Writer, path, name string) error {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the key is in the environment, or a log was deleted
	}
	if err != nil {
		return fmt.Errorf("back up %s: %w", name, err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("back up %s: %w", name, err)
	}
	head := &tar.Header{Name: name, Mode: 0o600, Size: info.Size(), ModTime: info.ModTime(), Typeflag: tar.TypeReg}
	if err := archive.WriteHeader(head); err != nil {
		return fmt.Errorf("back up %s: %w", name, err)
	}
	if _, err := io.CopyN(archive, file, info.Size()); err != nil {
		return fmt.Errorf("back up %s: %w", name, err)
	}
	return nil
}

type restoreCmd struct {
	Data string `help:"Data directory to make; it must be empty." default:"./var" type:"path"`
	File string `arg:"" help:"The backup." type:"existingfile"`
}

// Run unpacks a backup into a new data directory. Instances of the old host
// are taken up where their machines still run; others can be started again.
func (c *restoreCmd) Run() (err error) {
	if entries, err := os.ReadDir(c.Data); err == nil && len(entries) > 0 {
		return fmt.Errorf("%s is not empty: a backup is restored into a new directory", c.Data)
	}
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	root, err := os.OpenRoot(c.Data) // nothing in the archive can leave it
	if err != nil {
		return fmt.Errorf("open the data directory: %w", err)
	}
	defer root.Close()
	defer func() {
		if err != nil {
			_ = os.RemoveAll(c.Data) // half a backup is none; the directory was empty
		}
	}()
	file, err := os.Open(c.File)
	if err != nil {
		return fmt.Errorf("open the backup: %w", err)
	}
	defer file.Close()
	zip, err := gzip.NewReader(file)
	if err != nil {
		return fmt.Errorf("%s is not a backup: %w", c.File, err)
	}
	archive := tar.NewReader(zip)
	files := 0
	for {
		head, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("read the backup: %w", err)
		}
		if head.Typeflag != tar.TypeReg {
			return fmt.Errorf("the backup holds %s, which is not a file", head.Name)
		}
		if err := restoreFile(root, head.Name, archive); err != nil {
			return err
		}
		files++
	}
	if _, err := root.Stat("opsyard.db"); err != nil {
		return fmt.Errorf("%s is not a whole backup: it has no database", c.File)
	}
	fmt.Printf("restored %d files into %s\n", files, c.Data)
	return nil
}

func restoreFile(root *os.Root, name string, content io.Reader) (err error) {
	if dir := filepath.Dir(name); dir != "." {
		made := ""
		for _, part := range strings.Split(dir, string(filepath.Separator)) {
			made = filepath.Join(made, part)
			if err := root.Mkdir(made, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
				return fmt.Errorf("restore %s: %w", name, err)
			}
		}
	}
	file, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("restore %s: %w", name, err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if _, err := io.Copy(file, content); err != nil {
		return fmt.Errorf("restore %s: %w", name, err)
	}
	return nil
}
