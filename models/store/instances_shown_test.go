package store_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/storetest"

	"github.com/google/go-cmp/cmp"
)

// notShown are members that clients of the API do not see.
var notShown = []string{
	"StatusSince", "StatusCause", "StatusReason", "StatusDeadline", "ForceStop", "WasOnline", "SetupAt", "Schedule", "ScheduleZone", "ScheduleRevision", "AgentKey",
	"AgentSeenAt", "AgentServer", "BootID", "UpdatedAt", "RSAPublicKey", "RSAPublicKeyFingerprint",
}

// Shown reads the same as Get, in each member that is not of the engine alone.
func TestShownInstances(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		s := storetest.Stack(t, st)
		l := storetest.Layer(t, st, func(l *models.Layer) { l.StackID = s.ID })
		var want []models.Instance
		for n := range 3 {
			made := full()
			made.StackID, made.LayerIDs, made.Status = s.ID, []models.LayerID{l.ID}, models.InstanceStopped
			made.Hostname = fmt.Sprintf("web%d", n)
			if n == 2 { // what is empty stays empty, beside one that is not
				made.SecurityGroupIDs, made.BlockDeviceMappings, made.ReportedOs, made.EbsOptimized, made.Os = nil, nil, models.ReportedOs{}, false, ""
			}
			if err := st.Instances.Create(t.Context(), &made); err != nil {
				t.Fatal(err)
			}
			i, err := st.Instances.Get(t.Context(), made.ID)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range notShown {
				reflect.ValueOf(i).Elem().FieldByName(name).SetZero()
			}
			want = append(want, *i)
		}
		first := reflect.ValueOf(want[0])
		for n := range first.NumField() {
			if name := first.Type().Field(n).Name; first.Field(n).IsZero() && !slices.Contains(notShown, name) {
				t.Errorf("the test does not try %s", name)
			}
		}
		for name, by := range map[string]store.InstanceSelector{
			"stack": {StackID: s.ID}, "layer": {LayerID: l.ID}, "ids": {IDs: []models.InstanceID{want[0].ID, want[1].ID, want[2].ID}},
		} {
			got, err := st.Instances.Shown(t.Context(), by)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("by %s (want -, got +):\n%s", name, diff)
			}
		}
		_, err := st.Instances.Shown(t.Context(), store.InstanceSelector{IDs: []models.InstanceID{"a", want[0].ID, "b"}})
		if models.CodeOf(err) != models.CodeNotFound || models.Sentence(err) != "Unable to find instance with ID a, b" {
			t.Errorf("got %v", err)
		}
	})
}

// full is an instance with a value in each member that clients see, whether or
// not they go together.
func full() models.Instance {
	var i models.Instance
	v := reflect.ValueOf(&i).Elem()
	for n := range v.NumField() {
		switch f := v.Field(n); f.Kind() {
		case reflect.String:
			f.SetString("x" + v.Type().Field(n).Name)
		case reflect.Bool:
			f.SetBool(true)
		}
	}
	i.ID, i.Architecture, i.InfrastructureClass = models.NewID[models.InstanceID](), "x86_64", models.InfrastructureEC2
	i.Tenancy, i.VirtualizationType, i.AutoScalingType, i.LastServiceErrorID = "default", "hvm", models.ScalingTimer, models.NewID[models.ServiceErrorID]()
	size := 8
	i.BlockDeviceMappings = []models.BlockDeviceMapping{{DeviceName: "/dev/sda", Ebs: &models.EbsBlockDevice{VolumeSize: &size}}}
	i.ReportedOs = models.ReportedOs{Family: "debian", Name: "Debian", Version: "12"}
	i.SecurityGroupIDs = []string{"sg-1", "sg-2"}
	return i
}

// The machine of an instance comes and goes; its schedule stays.
func TestSetMachineLeavesTheSchedule(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		var week models.WeeklySchedule
		week[0] = 1
		i := storetest.Instance(t, st, func(i *models.Instance) { i.AutoScalingType, i.Schedule = models.ScalingTimer, week })
		if err := st.Instances.SetMachine(t.Context(), i.ID, store.Machine{Ec2InstanceID: "m"}); err != nil {
			t.Fatal(err)
		}
		got, err := st.Instances.Get(t.Context(), i.ID)
		if err != nil || got.Schedule != week || got.Ec2InstanceID != "m" {
			t.Errorf("got %+v, %v", got, err)
		}
	})
}
