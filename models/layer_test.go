package models

import (
	"slices"
	"strings"
	"testing"
)

func at[T any](v T) *T { return &v }

func TestVolumes(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct {
		volume VolumeConfiguration
		ok     bool
	}{
		"plain":            {VolumeConfiguration{MountPoint: "/data", NumberOfDisks: 1, Size: 1}, true},
		"zero iops":        {VolumeConfiguration{MountPoint: "/data", NumberOfDisks: 1, Size: 1, Iops: at(0)}, true},
		"too large":        {VolumeConfiguration{MountPoint: "/data", NumberOfDisks: 1, Size: 1025}, false},
		"gp2":              {VolumeConfiguration{MountPoint: "/data", NumberOfDisks: 1, Size: 16384, VolumeType: "gp2"}, true},
		"small st1":        {VolumeConfiguration{MountPoint: "/data", NumberOfDisks: 1, Size: 124, VolumeType: "st1"}, false},
		"io1":              {VolumeConfiguration{MountPoint: "/data", NumberOfDisks: 1, Size: 4, VolumeType: "io1", Iops: at(200)}, true},
		"io1 without iops": {VolumeConfiguration{MountPoint: "/data", NumberOfDisks: 1, Size: 4, VolumeType: "io1"}, false},
		"too many iops":    {VolumeConfiguration{MountPoint: "/data", NumberOfDisks: 1, Size: 4, VolumeType: "io1", Iops: at(201)}, false},
		"gp2 with iops":    {VolumeConfiguration{MountPoint: "/data", NumberOfDisks: 1, Size: 4, VolumeType: "gp2", Iops: at(100)}, false},
		"unknown type":     {VolumeConfiguration{MountPoint: "/data", NumberOfDisks: 1, Size: 4, VolumeType: "gp9"}, false},
		"reserved":         {VolumeConfiguration{MountPoint: "/srv/www", NumberOfDisks: 1, Size: 4}, false},
		"root":             {VolumeConfiguration{MountPoint: "/", NumberOfDisks: 1, Size: 4}, false},
		"relative":         {VolumeConfiguration{MountPoint: "data", NumberOfDisks: 1, Size: 4}, false},
		"reserved, hidden": {VolumeConfiguration{MountPoint: "/srv/../srv/www", NumberOfDisks: 1, Size: 4}, false},
		"two lines":        {VolumeConfiguration{MountPoint: "/a\n/b", NumberOfDisks: 1, Size: 4}, false},
		"no disk":          {VolumeConfiguration{MountPoint: "/data", Size: 4}, false},
		"disks, no RAID":   {VolumeConfiguration{MountPoint: "/data", NumberOfDisks: 2, Size: 4}, false},
		"RAID":             {VolumeConfiguration{MountPoint: "/data", NumberOfDisks: 2, Size: 4, RaidLevel: at(0)}, true},
		"RAID 10":          {VolumeConfiguration{MountPoint: "/data", NumberOfDisks: 3, Size: 4, RaidLevel: at(10)}, false},
		"RAID 7":           {VolumeConfiguration{MountPoint: "/data", NumberOfDisks: 9, Size: 4, RaidLevel: at(7)}, false},
	} {
		if err := test.volume.Normalize().Validate(); (err == nil) != test.ok {
			t.Errorf("%s: %v", what, err)
		}
	}
	l := NewLayer("s", LayerCustom)
	l.Name, l.Shortname = "x", "x"
	l.VolumeConfigurations = []VolumeConfiguration{{MountPoint: "/a", NumberOfDisks: 1, Size: 1}, {MountPoint: "/a", NumberOfDisks: 1, Size: 1}}
	l.Normalize()
	if err := l.Validate(); err == nil || !strings.Contains(err.Error(), "used twice") {
		t.Errorf("the same mount point twice: %v", err)
	}
}

func TestLogStreams(t *testing.T) {
	t.Parallel()
	s := CloudWatchLogsLogStream{File: "/var/log/x.log"}.Normalize()
	if s.FileFingerprintLines != "1" || s.InitialPosition != "start_of_file" || s.Encoding != "utf_8" || s.BufferDuration != 5000 || s.BatchCount != 1000 || s.BatchSize != 32768 {
		t.Errorf("defaults: %+v", s)
	}
	if len(LogEncodings) != 92 {
		t.Errorf("%d encodings", len(LogEncodings))
	}
	for what, change := range map[string]func(*CloudWatchLogsLogStream){
		"no file":     func(s *CloudWatchLogsLogStream) { s.File = "" },
		"group":       func(s *CloudWatchLogsLogStream) { s.LogGroupName = "a b" },
		"long group":  func(s *CloudWatchLogsLogStream) { s.LogGroupName = strings.Repeat("a", 513) },
		"zone":        func(s *CloudWatchLogsLogStream) { s.TimeZone = "CET" },
		"fingerprint": func(s *CloudWatchLogsLogStream) { s.FileFingerprintLines = "all" },
		"position":    func(s *CloudWatchLogsLogStream) { s.InitialPosition = "middle" },
		"encoding":    func(s *CloudWatchLogsLogStream) { s.Encoding = "morse" },
		"buffer":      func(s *CloudWatchLogsLogStream) { s.BufferDuration = 4999 },
		"count":       func(s *CloudWatchLogsLogStream) { s.BatchCount = 10001 },
		"size":        func(s *CloudWatchLogsLogStream) { s.BatchSize = 1048577 },
	} {
		bad := s
		change(&bad)
		if s.Validate() != nil || bad.Validate() == nil {
			t.Errorf("%s was not refused", what)
		}
	}
}

// Every key of the model belongs to a type, and every type knows its defaults.
func TestLayerAttributes(t *testing.T) {
	t.Parallel()
	keys := map[string]bool{}
	for _, kind := range LayerTypes {
		l := NewLayer("s", kind)
		l.Name, l.Shortname, l.Attributes = "x", "x", map[string]string{}
		for _, a := range kind.Attributes() {
			keys[a.Key] = true
			l.Attributes[a.Key] = a.Default
		}
		l.Normalize()
		if err := l.Validate(); err != nil {
			t.Errorf("defaults of %s: %v", kind, err)
		}
		if strings.HasSuffix(kind.SecurityGroup(), "-") {
			t.Errorf("%s has no security group", kind)
		}
	}
	if len(keys) != 25 {
		t.Errorf("%d attributes, want the 25 of the model", len(keys))
	}
	for what, set := range map[string]map[string]string{
		"of another type": {"GangliaUser": "x"}, "unknown": {"Nope": "x"}, "choice": {"RailsStack": "webrick"}, "line": {"RubyVersion": "2\n3"},
	} {
		l := NewLayer("s", LayerRailsApp)
		l.Name, l.Attributes = "rails", set
		l.Normalize()
		if l.Validate() == nil {
			t.Errorf("%s was not refused", what)
		}
	}
	l := NewLayer("s", LayerRailsApp)
	l.Attributes = map[string]string{"ManageBundler": "yes"}
	l.Normalize()
	if l.Attributes["ManageBundler"] != "true" || !l.On("ManageBundler") {
		t.Errorf("a boolean became %q", l.Attributes["ManageBundler"])
	}
}

// What is called a password is hidden, whatever layer it belongs to.
func TestSecretAttributes(t *testing.T) {
	t.Parallel()
	for _, kind := range LayerTypes {
		for _, a := range kind.Attributes() {
			if strings.HasSuffix(a.Key, "Password") != slices.Contains(SecretAttributes, a.Key) {
				t.Errorf("%s of %s layers: secret is %t", a.Key, kind, a.Secret)
			}
		}
	}
	if len(SecretAttributes) != 3 {
		t.Errorf("got %v", SecretAttributes)
	}
}

func TestLayerEngines(t *testing.T) {
	t.Parallel()
	for _, kind := range LayerTypes {
		for _, engine := range []string{"", EngineMysql, EnginePostgresql, EngineMemcached, EngineRedis, EngineProgram, "oracle"} {
			l := NewLayer("s", kind)
			l.Name, l.Shortname, l.Engine = "x", "x", engine
			l.Normalize()
			if ok := engine == "" || slices.Contains(kind.Engines(), engine); (l.Validate() == nil) != ok {
				t.Errorf("%s layer on %q: %v", kind, engine, l.Validate())
			}
		}
	}
	for kind, want := range map[LayerType]string{LayerDBMaster: EngineMysql, LayerMemcached: EngineMemcached, LayerCustom: "", LayerLB: ""} {
		if l := NewLayer("s", kind); l.RunsOn() != want {
			t.Errorf("%s runs on %q", kind, l.RunsOn())
		}
	}
}
