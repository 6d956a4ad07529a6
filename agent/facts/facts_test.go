package facts

import "testing"

func TestOSRelease(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][3]string{
		"NAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nID=debian\n":           {"debian", "Debian GNU/Linux", "12"},
		"NAME=\"Amazon Linux\"\nVERSION_ID=2023\nID=\"amzn\"\nID_LIKE=fedora": {"redhat", "Amazon Linux", "2023"},
		"NAME=Mint\nID=linuxmint\nID_LIKE='ubuntu debian'":                    {"debian", "Mint", ""},
		"ID=haiku":                   {"haiku", "", ""},
		"":                           {"", "", ""},
		"# a comment\nnonsense\n=\n": {"", "", ""},
	} {
		family, name, version := parseOSRelease(text)
		if got := [3]string{family, name, version}; got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestCollect(t *testing.T) {
	t.Parallel()
	f := Collect("http://127.0.0.1:8080", "1.2")
	if f.PrivateIP != "127.0.0.1" || f.AgentVersion != "1.2" || f.BootID == "" || f.MemoryBytes == 0 || f.CPUs == 0 || f.Kernel == "" {
		t.Errorf("got %+v", f)
	}
	if Load() == [3]float64{} {
		t.Error("no load read")
	}
}
