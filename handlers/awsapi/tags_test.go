package awsapi

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/service/opsworks"

	"opsyard/models"
)

func (w *world) tags(t testing.TB, arn string) string {
	t.Helper()
	out := must(w.admin.ListTags(&opsworks.ListTagsInput{ResourceArn: &arn}))(t)
	return fmt.Sprint(aws.StringValueMap(out.Tags))
}

// TestTagsOverTheAPI keeps the golden pairs of tags.
func TestTagsOverTheAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.keepGolden(t, "TagResource", "UntagResource", "ListTags")
	s := w.stack(t)
	l := w.layer(t, s, models.LayerCustom)
	tag := func(arn string, pairs ...string) error {
		tags := map[string]*string{}
		for n := 0; n < len(pairs); n += 2 {
			tags[pairs[n]] = &pairs[n+1]
		}
		_, err := w.admin.TagResource(&opsworks.TagResourceInput{ResourceArn: &arn, Tags: tags})
		return err
	}
	check(t, tag(strings.TrimSuffix(s.Arn, "/"), "team", "web"))
	check(t, tag(s.Arn, "stage", "live"))
	check(t, tag(l.Arn, "team", "front"))
	if got := w.tags(t, s.Arn); got != "map[stage:live team:web]" {
		t.Errorf("the stack has %s", got)
	}
	if got := w.tags(t, l.Arn); got != "map[stage:live team:front]" {
		t.Errorf("the layer has %s", got)
	}
	must(w.admin.UntagResource(&opsworks.UntagResourceInput{ResourceArn: &l.Arn, TagKeys: aws.StringSlice([]string{"team"})}))(t)
	if got := w.tags(t, l.Arn); got != "map[stage:live team:web]" {
		t.Errorf("the layer has %s", got)
	}
	_, err := w.admin.UntagResource(&opsworks.UntagResourceInput{ResourceArn: &l.Arn, TagKeys: aws.StringSlice([]string{"stage"})})
	wantError(t, err, "ValidationException", "from its stack")
	for _, key := range []string{"aws:x", "opsworks:x", "rds:x", "name", "a#"} {
		wantError(t, tag(s.Arn, key, "v"), "ValidationException", "Tags: ")
	}
	instance := strings.Replace(l.Arn, "layer/", "instance/", 1)
	wantError(t, tag(instance, "a", "b"), "ValidationException", "only stacks and layers")
	gone := strings.Replace(s.Arn, string(s.ID), "00000000-0000-0000-0000-000000000001", 1)
	wantError(t, tag(gone, "a", "b"), "ResourceNotFoundException", "Unable to find stack")
	// Tags go with what they are on.
	check(t, w.engine.DeleteLayer(w.ctx, l.ID))
	_, err = w.admin.ListTags(&opsworks.ListTagsInput{ResourceArn: &l.Arn})
	wantError(t, err, "ResourceNotFoundException", "Unable to find layer")
}

func TestPitfall20ListTagsHasNoPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.stack(t)
	for _, in := range []*opsworks.ListTagsInput{{MaxResults: aws.Int64(10)}, {NextToken: aws.String("x")}} {
		in.ResourceArn = &s.Arn
		_, err := w.admin.ListTags(in)
		wantError(t, err, "ValidationException", "not supported")
	}
}
