package models

import "testing"

func TestSecretsStayWithTheirServer(t *testing.T) {
	t.Parallel()
	stored := Source{Type: SourceGit, URL: "https://git.example/shop.git", Password: "hunter2", SSHKey: "key"}
	shown := Source{Type: SourceGit, URL: "https://git.example/other.git", Password: Filtered, SSHKey: Filtered}
	kept, err := shown.KeepSecrets(stored)
	if err != nil || kept.Password != "hunter2" || kept.SSHKey != "key" {
		t.Errorf("on the same server: %+v, %v", kept, err)
	}
	for _, elsewhere := range []string{"https://evil.example/shop.git", "http://git.example/shop.git", "https://git.example:444/shop.git", "git@evil.example:shop.git", "s3://git.example"} {
		shown.URL = elsewhere
		if kept, err := shown.KeepSecrets(stored); CodeOf(err) != CodeInvalid || kept.Password == "hunter2" {
			t.Errorf("%s was given the secrets: %v", elsewhere, err)
		}
	}
	fresh := Source{URL: "git@evil.example:x", Password: "new"}
	if kept, err := fresh.KeepSecrets(stored); err != nil || kept.Password != "new" || kept.SSHKey != "" {
		t.Errorf("with its own secret: %+v, %v", kept, err)
	}
}
