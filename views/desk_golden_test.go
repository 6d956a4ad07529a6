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
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	p.Zone, p.Zones, p.Loc, p.On, p.Next = "Europe/Berlin", []string{"Europe/Berlin", "UTC"}, berlin, true, noon.Add(5*time.Hour)
	morning := time.Date(2026, 10, 25, 0, 0, 0, 0, berlin)
	p.Days = []ScheduleDay{
		{Date: morning, Long: 25 * time.Hour, Note: "25 hours: the clock goes back from 03:00 to 02:00", On: []ScheduleStretch{{From: morning, To: morning.Add(9 * time.Hour), Ends: true}}},
		{Date: morning.Add(25 * time.Hour), Long: 24 * time.Hour},
	}
	p.Fired = []models.ScheduleFiring{{SlotStart: noon.Add(-2 * time.Hour), At: noon, On: true}}
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
