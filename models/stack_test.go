package models

import (
	"strings"
	"testing"
)

func TestStackValidate(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct {
		change func(*Stack)
		says   string // "": it is fine
	}{
		"as it is":           {func(*Stack) {}, ""},
		"region":             {func(s *Stack) { s.Region = "us east" }, "Region"},
		"theme":              {func(s *Stack) { s.HostnameTheme = "Cheeses" }, "Hostname theme"},
		"color":              {func(s *Stack) { s.Attributes = map[string]string{"Color": "rgb(45, 114, 184)"} }, ""},
		"no color":           {func(s *Stack) { s.Attributes = map[string]string{"Color": "red;}"} }, "Color"},
		"empty color":        {func(s *Stack) { s.Attributes = map[string]string{"Color": ""} }, ""},
		"another attribute":  {func(s *Stack) { s.Attributes = map[string]string{"Shape": "round"} }, "Shape"},
		"unknown Chef":       {func(s *Stack) { s.ConfigurationManager.Version = "13" }, "Chef must be of version"},
		"unknown manager":    {func(s *Stack) { s.ConfigurationManager.Name = "CFEngine" }, "Configuration manager"},
		"unknown OS":         {func(s *Stack) { s.DefaultOs = "BeOS" }, "Default os"},
		"OS of another Chef": {func(s *Stack) { s.ConfigurationManager.Version = Chef1110 }, "Default os"},
		"Windows on Chef 12": {func(s *Stack) { s.DefaultOs = OSCustomWindows }, "not supported"},
		"Windows":            {func(s *Stack) { s.DefaultOs, s.ConfigurationManager.Version = OSCustomWindows, "" }, ""},
		"Windows without EBS": {func(s *Stack) {
			s.DefaultOs, s.ConfigurationManager.Version, s.DefaultRootDeviceType = OSCustomWindows, "", RootDeviceInstanceStore
		}, "must be ebs"},
		"Windows with an agent": {func(s *Stack) { s.DefaultOs, s.ConfigurationManager.Version, s.AgentVersion = OSCustomWindows, "", "1" }, "Agent version"},
		"OS of ours":            {func(s *Stack) { s.ConfigurationManager, s.DefaultOs = ConfigurationManager{Name: ManagerShell}, "BeOS" }, ""},
		"Windows of ours": {func(s *Stack) {
			s.ConfigurationManager, s.DefaultOs = ConfigurationManager{Name: ManagerShell}, OSCustomWindows
		}, "Default os"},
		"Berkshelf on 12": {func(s *Stack) { s.ChefConfiguration.ManageBerkshelf = true }, "Berkshelf"},
		"svn on 12":       {func(s *Stack) { s.CustomCookbooksSource = Source{Type: SourceSvn, URL: "https://svn.example/x"} }, "Subversion"},
		"svn on 11": {func(s *Stack) {
			s.ConfigurationManager.Version, s.DefaultOs, s.CustomCookbooksSource = Chef1110, "Custom", Source{Type: SourceSvn, URL: "https://svn.example/x"}
		}, ""},
		"VPC without subnet":       {func(s *Stack) { s.VpcID = "vpc-1" }, "Default subnet id"},
		"VPC":                      {func(s *Stack) { s.VpcID, s.DefaultSubnetID = "vpc-1", "subnet-1" }, ""},
		"zone elsewhere":           {func(s *Stack) { s.DefaultAvailabilityZone = "eu-west-1a" }, "not in region"},
		"root device":              {func(s *Stack) { s.DefaultRootDeviceType = "floppy" }, "root device"},
		"role":                     {func(s *Stack) { s.ServiceRoleArn = "me" }, "Service Role Arn"},
		"profile":                  {func(s *Stack) { s.DefaultInstanceProfileArn = "arn:aws:iam::1:role/x" }, "instance profile"},
		"custom JSON is no object": {func(s *Stack) { s.CustomJSON = "[1]" }, "Custom json"},
		"custom JSON is large":     {func(s *Stack) { s.CustomJSON = `{"a":"` + strings.Repeat("x", MaxCustomJSON) + `"}` }, "120 KB"},
		"long name":                {func(s *Stack) { s.Name = strings.Repeat("ü", 65) }, "too long"},
	} {
		s := NewStack("Shop")
		s.Region, s.DefaultAvailabilityZone = "us-east-1", "us-east-1a"
		test.change(&s)
		s.Normalize()
		err := s.Validate()
		if (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: got %v, want %q", what, err, test.says)
		}
	}
}

func TestStepsBetweenChefVersions(t *testing.T) {
	t.Parallel()
	allowed := map[string]bool{"0.9 11.4": true, "11.4 11.10": true, "11.10 11.4": true}
	for _, from := range ChefVersions {
		for _, to := range ChefVersions {
			before := Stack{ConfigurationManager: ConfigurationManager{ManagerChef, from}}
			after := Stack{ConfigurationManager: ConfigurationManager{ManagerChef, to}}
			if err := after.CheckChange(&before); (err == nil) != (from == to || allowed[from+" "+to]) {
				t.Errorf("from %s to %s: %v", from, to, err)
			}
		}
	}
	linux, windows := Stack{DefaultOs: "Amazon Linux 2"}, Stack{DefaultOs: OSCustomWindows}
	if windows.CheckChange(&linux) == nil || linux.CheckChange(&windows) == nil {
		t.Error("the family of the operating system changed")
	}
}

func TestOperatingSystems(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, o := range OperatingSystems {
		if seen[o.ID] || o.Type != FamilyLinux && o.Type != FamilyWindows || len(o.Managers) == 0 {
			t.Errorf("%+v", o)
		}
		seen[o.ID] = true
	}
	for _, version := range ChefVersions {
		m := ConfigurationManager{ManagerChef, version}
		if o, ok := FindOperatingSystem(DefaultOS(m)); !ok || !o.Runs(m) || o.Closed {
			t.Errorf("the default of %s is %q", m, DefaultOS(m))
		}
	}
}
