package views

import (
	"testing"
	"time"

	"opsyard/models"
)

func TestGoldenSchedule(t *testing.T) {
	t.Parallel()
	p := SchedulePage{Frame: sampleFrame(), Now: noon, Instance: models.Instance{ID: "i1", Hostname: "web1"}}
	for _, day := range models.Weekdays {
		for hour := range 24 {
			if err := p.Schedule.Set(day, hour, Presets[0].On(day, hour)); err != nil {
				t.Fatal(err)
			}
		}
	}
	golden(t, "schedule", ScheduleView(p))
}

func TestGoldenResources(t *testing.T) {
	t.Parallel()
	d := DatabaseRow{RdsDbInstance: models.RdsDbInstance{Arn: "arn:aws:rds:us-east-1:123456789012:db:orders", DbInstanceIdentifier: "orders", DbUser: "shop", DbPassword: "never drawn"}, Apps: []string{"shop", "jobs"}}
	p := ResourcesPage{
		Frame: sampleFrame(), Now: noon, Tab: TabRds, Tabs: []ResourceTab{{Key: TabRds, Label: "RDS", N: 1}},
		Chosen: d.Arn, Databases: []DatabaseRow{d}, Database: &d, Form: Form{Problem: "Port: must be 1 to 65535.", Field: "Port"},
	}
	golden(t, "resources", Resources(p))
}

func TestGoldenPermissions(t *testing.T) {
	t.Parallel()
	golden(t, "permissions", permissionRows("Person", []PermissionRow{
		{ID: "u1", Name: "ana", Admin: true, Own: true},
		{ID: "u2", Name: "leo", About: "leok", Permission: models.Permission{Level: models.LevelDeploy, AllowSSH: true}},
		{ID: "u3", Name: "<mira>", Own: true, Permission: models.Permission{Level: models.LevelManage}},
	}))
}

func TestNextChange(t *testing.T) {
	t.Parallel()
	var s models.WeeklySchedule
	if _, _, ok := NextChange(s, noon); ok {
		t.Error("a week that is off changes")
	}
	if err := s.Set(time.Sunday, 23, true); err != nil {
		t.Fatal(err)
	}
	if at, on, ok := NextChange(s, noon); !ok || !on || at.Weekday() != time.Sunday || at.Hour() != 23 {
		t.Errorf("got %v %v %v", at, on, ok)
	}
	if at, on, ok := NextChange(s, time.Date(2026, 11, 22, 23, 30, 0, 0, time.UTC)); !ok || on || at.Weekday() != time.Monday || at.Hour() != 0 {
		t.Errorf("got %v %v %v", at, on, ok)
	}
}
