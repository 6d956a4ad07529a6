package source

import (
	"errors"
	"regexp"
	"strings"
)

// sayings turn what Git, SSH and Subversion print into the end of a sentence.
// The first that matches is it.
var sayings = []struct{ pattern, says string }{
	{`REMOTE HOST IDENTIFICATION HAS CHANGED|Host key verification failed`, "the server shows another SSH host key than the one known on this instance; if that is right, remove the old one from known_hosts in the agent's data directory"},
	{`Load key .*(invalid format|error in libcrypto)|invalid private key`, "the SSH key is not a private key that SSH can read"},
	{`passphrase|incorrect passphrase`, "the SSH key has a passphrase, which nobody can type on an instance"},
	{`Permission denied \(`, "the server refused the SSH key (Permission denied)"},
	{`strange (hostname|pathname|port)|blocked`, "the address is not valid"},
	{`transport '([^']*)' not allowed`, "the transport $1 is not allowed"},
	{`Authentication failed|HTTP Basic: Access denied|Authorization failed|E170001|E215004`, "the server refused the user name or password (Authentication failed)"},
	{`could not read (Username|Password)`, "the server wants a user name and a password"},
	{`returned error: 403`, "the server refuses access (403 Forbidden)"},
	{`returned error: 404|[Rr]epository .*not found|E170000.*doesn't exist|E160013`, "the server has no repository at this address"},
	{`[Cc]ould not resolve host(name)?:? ([^ ;:]+)|Unknown host|E670002`, "its host name is not known on this instance"},
	{`Connection refused|Couldn't connect to server`, "the server refused the connection (Connection refused)"},
	{`Operation too slow|timed out|Connection timed out`, "the server did not answer in time"},
	{`Connection reset|early EOF|unexpected disconnect|hung up unexpectedly|E175012|E170013.*closed`, "the server ended the connection in the middle"},
	{`unable to update url base from redirection|Maximum \(\d+\) redirects`, "the server redirects to somewhere else; enter the address that it redirects to"},
	{`certificate|SSL`, ""}, // in their own words
	{`E205011|E160006|No such revision`, "it has no such revision"},
}

// explain makes a program's complaints into the end of a sentence.
func explain(stderr string, err error) error {
	for _, s := range sayings {
		re := regexp.MustCompile(s.pattern)
		if at := re.FindStringSubmatchIndex(stderr); at != nil && s.says != "" {
			return errors.New(string(re.ExpandString(nil, s.says, stderr, at)))
		} else if at != nil {
			break
		}
	}
	return lastWords(stderr, err)
}

// denied tells whether trying in another way is of no use.
func denied(said string) bool {
	for _, words := range []string{"refused", "not allowed", "host key", "wants a user name", "not valid", "host name is not known", "no repository"} {
		if strings.Contains(said, words) {
			return true
		}
	}
	return false
}

func lastWords(stderr string, err error) error {
	var words []string
	for line := range strings.Lines(stderr) {
		line = strings.TrimSpace(line)
		for _, prefix := range []string{"fatal: ", "error: ", "remote: ", "svn: "} {
			line = strings.TrimPrefix(line, prefix)
		}
		if line != "" && !strings.HasPrefix(line, "hint:") && !strings.HasPrefix(line, "Warning: Permanently added") {
			words = append(words, line)
		}
	}
	if len(words) == 0 {
		return err
	}
	if len(words) > 4 {
		words = words[len(words)-4:]
	}
	for n, line := range words[:len(words)-1] {
		words[n] = strings.TrimRight(line, ".;:")
	}
	return errors.New(strings.Join(words, "; "))
}
