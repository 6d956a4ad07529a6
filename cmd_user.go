package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"opsyard/models"
)

type userCmd struct {
	Create      userCreateCmd   `cmd:"" help:"Make a user."`
	List        userListCmd     `cmd:"" help:"List the users."`
	SetPassword userPasswordCmd `cmd:"" help:"Give a user a new password; their sessions end."`
	Permit      userPermitCmd   `cmd:"" help:"Set what a user may do in a stack."`
}

type userCreateCmd struct {
	dataFlags
	Name          string `help:"Sign-in name." required:""`
	Email         string `help:"E-mail address."`
	Admin         bool   `help:"May do everything in this installation."`
	PasswordStdin bool   `help:"Read the password from standard input instead of making one."`
}

// Run makes the user and prints the password that it made, once.
func (c *userCreateCmd) Run(ctx context.Context) error {
	password, made, err := choosePassword(c.PasswordStdin)
	if err != nil {
		return err
	}
	ctx, b, err := c.openBeside(ctx)
	if err != nil {
		return err
	}
	defer b.close()
	u, err := b.CreateUser(ctx, models.User{Name: c.Name, Email: c.Email, Admin: c.Admin, AllowSelfManagement: true}, password)
	if err != nil {
		return err
	}
	fmt.Println("user    ", u.Name)
	if made {
		fmt.Println("password", password)
	}
	return nil
}

// choosePassword reads a password from standard input, or makes one.
func choosePassword(stdin bool) (password string, made bool, err error) {
	if !stdin {
		return strings.ToLower(rand.Text())[:20], true, nil
	}
	line, err := bufio.NewReader(io.LimitReader(os.Stdin, 4096)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", false, fmt.Errorf("read the password: %w", err)
	}
	return strings.TrimRight(line, "\r\n"), false, nil
}

type userListCmd struct{ dataFlags }

// Run prints a line per user.
func (c *userListCmd) Run(ctx context.Context) error {
	ctx, b, err := c.openBeside(ctx)
	if err != nil {
		return err
	}
	defer b.close()
	users, err := b.store.Users.List(ctx)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tADMIN\tCREATED\tARN")
	for _, u := range users {
		fmt.Fprintf(table, "%s\t%t\t%s\t%s\n", u.Name, u.Admin, u.CreatedAt.Format("2006-01-02"), u.IamUserArn)
	}
	return table.Flush()
}

type userPasswordCmd struct {
	dataFlags
	Name          string `help:"Sign-in name." required:""`
	PasswordStdin bool   `help:"Read the password from standard input instead of making one."`
	ResetFactors  bool   `help:"Also take the authenticator app, passkeys and recovery codes from them, for who has lost those too."`
}

// Run sets the password and prints the one that it made, once.
func (c *userPasswordCmd) Run(ctx context.Context) error {
	password, made, err := choosePassword(c.PasswordStdin)
	if err != nil {
		return err
	}
	ctx, b, err := c.openBeside(ctx)
	if err != nil {
		return err
	}
	defer b.close()
	u, err := b.userNamed(ctx, c.Name)
	if err != nil {
		return err
	}
	if err := b.SetPassword(ctx, u.ID, password); err != nil {
		return err
	}
	if made {
		fmt.Println("password", password)
	}
	if c.ResetFactors {
		return b.ResetFactors(ctx, u.ID)
	}
	return nil
}

type userPermitCmd struct {
	dataFlags
	Name  string `help:"Sign-in name." required:""`
	Stack string `help:"Name or id of the stack." required:""`
	Level string `help:"What they may do: ${enum}." enum:"deny,iam_only,show,deploy,manage" required:""`
	SSH   bool   `help:"May log in to the stack's instances."`
	Sudo  bool   `help:"May become root there."`
}

// Run sets the level.
func (c *userPermitCmd) Run(ctx context.Context) error {
	ctx, b, err := c.openBeside(ctx)
	if err != nil {
		return err
	}
	defer b.close()
	u, err := b.userNamed(ctx, c.Name)
	if err != nil {
		return err
	}
	s, err := b.stackNamed(ctx, c.Stack)
	if err != nil {
		return err
	}
	return b.Permit(ctx, models.Permission{StackID: s.ID, UserID: u.ID, Level: models.Level(c.Level), AllowSSH: c.SSH, AllowSudo: c.Sudo})
}
