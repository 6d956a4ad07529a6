package views

import (
	"net/url"
	"testing"

	"opsyard/models"
)

func TestGoldenTagEditor(t *testing.T) {
	t.Parallel()
	stack := map[string]string{"team": "checkout", "stage": "<prod>"}
	own := map[string]string{"team": "data", "backup": "hourly"}
	golden(t, "tag-editor", TagEditor(TagEditorProps{Action: "/tags", Inherited: stack, Form: Form{Values: TagsForm(own, stack)}}))
}

func TestGoldenLayerRows(t *testing.T) {
	t.Parallel()
	level, iops, on := 10, 500, true
	p := LayerShow{Frame: sampleFrame(), Layer: models.Layer{ID: "l3", Name: "Jobs"}, Tab: "volumes"}
	p.Form = Form{Values: VolumesForm([]models.VolumeConfiguration{
		{MountPoint: "/vol/a", Size: 400, NumberOfDisks: 4, RaidLevel: &level, VolumeType: "io1", Iops: &iops, Encrypted: &on}, {MountPoint: "/vol/<b>", VolumeType: "new"},
	}), Problem: "Volume configurations: the size of a standard volume must be 1 to 1024 GiB.", Field: "VolumeConfigurations"}
	golden(t, "layer-volumes", layerVolumes(p))
	p.Form = Form{Values: StreamsForm(models.CloudWatchLogsConfiguration{Enabled: true, LogStreams: []models.CloudWatchLogsLogStream{{File: "/var/log/x", LogGroupName: "g"}}})}
	golden(t, "layer-logs", layerLogs(p))
}

func TestGoldenLayerChooser(t *testing.T) {
	t.Parallel()
	p := LayerNew{Frame: sampleFrame(), Form: Form{Values: url.Values{}}, Types: []LayerChoice{
		{Type: models.LayerLB, BuiltIn: true}, {Type: models.LayerWeb, BuiltIn: true, Reason: "This stack already has one."}, {Type: models.LayerCustom},
	}}
	golden(t, "layer-chooser", layerChooser(p))
}

func TestGoldenScaling(t *testing.T) {
	t.Parallel()
	p := LayerShow{Frame: sampleFrame(), Layer: models.Layer{ID: "l3", Name: "Jobs"}, Tab: "scaling"}
	p.Form = Form{Values: url.Values{"Enable": {"on"}, "UpScaling.CpuThreshold": {"lots"}}, Problem: "The threshold must be a number; empty is off.", Field: "UpScaling.CpuThreshold"}
	golden(t, "layer-scaling", layerScaling(p))
}

func TestPaintTakesColoursOnly(t *testing.T) {
	t.Parallel()
	for colour, ok := range map[string]bool{"rgb(45, 114, 184)": true, "#fff": true, "url(#x)": false, "red;x": false, "": false} {
		if got := Paint(map[string]string{"Color": colour}); (got != "") != ok {
			t.Errorf("%q is drawn as %q", colour, got)
		}
	}
}
