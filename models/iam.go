package models

import (
	"regexp"
	"strings"
)

// maxARN is how long an ARN may be.
const maxARN = 255

// iamArnPattern takes users, roles, the root of an account, and who has a
// session of either (OpsWorks: IamUserArn, "can also be a federated user's ARN").
var iamArnPattern = regexp.MustCompile(`\Aarn:aws[a-z-]*:(?:iam|sts)::(\d{12}):(?:root|(?:user|role|federated-user|assumed-role)/(?:[\x21-\x7e]+/)?([A-Za-z0-9_+=,.@-]{1,64}))\z`)

// IamUserArnFor is the ARN of a user who was made here, not imported.
func IamUserArnFor(name string) string { return "arn:aws:iam::000000000000:user/" + name }

// ParseIamUserArn gives the account and the name of an IAM user, role or
// session; the name of an account's root is root.
func ParseIamUserArn(arn string) (account, name string, err error) {
	m := iamArnPattern.FindStringSubmatch(arn)
	if m == nil || len(arn) > maxARN {
		return "", "", InvalidField("IamUserArn", "Iam user arn: %q is not the ARN of an IAM user or role.", shorten(arn, maxARN))
	}
	if m[2] == "" {
		return m[1], "root", nil
	}
	return m[1], m[2], nil
}

func shorten(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

// UserNameFor makes a sign-in name of an IAM name: what such a name cannot hold
// becomes a hyphen.
func UserNameFor(iamName string) string {
	name := strings.Map(func(r rune) rune {
		if r == '=' || r == ',' {
			return '-'
		}
		return r
	}, iamName)
	return strings.TrimLeft(name, "._@+-")
}

// CleanSSHUsername drops what the name of a user on instances cannot hold
// (OpsWorks: "my.name" becomes "myname").
func CleanSSHUsername(name string) string {
	name = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return -1
	}, name)
	name = strings.TrimLeft(name, "-") // programs would take it for an option
	return name[:min(len(name), maxSSHUsername)]
}

// maxSSHUsername is what Linux allows.
const maxSSHUsername = 32

// SSHUsernameFor is the name on instances of somebody who did not choose one.
func SSHUsernameFor(name string) string { return strings.ToLower(CleanSSHUsername(name)) }
