package lifecycle

import (
	"strconv"

	"opsyard/models"
)

// SSHUser is somebody who may log in to the stack's instances.
type SSHUser struct {
	models.User
	Sudo bool
}

// userDoc has the members of OpsWorks' ssh_users attributes.
type userDoc struct {
	Name      string `json:"name"`
	Email     string `json:"email"`
	PublicKey string `json:"public_key"`
	Sudoer    bool   `json:"sudoer"`
}

// sshUsers are who may log in, by Unix user id.
func sshUsers(users []SSHUser) map[string]userDoc {
	docs := make(map[string]userDoc, len(users))
	for _, u := range users {
		docs[strconv.Itoa(u.UnixUID)] = userDoc{u.SSHUsername, u.Email, u.SSHPublicKey, u.Sudo}
	}
	return docs
}
