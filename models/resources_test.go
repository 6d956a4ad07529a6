package models

import "testing"

func TestMountPoints(t *testing.T) {
	t.Parallel()
	for dir, ok := range map[string]bool{
		"/vol/mysql": true, "/mnt/data-1": true, "/data": true, "/home": true, "/srv": true, "/srv/www/more": true, "/var/lib/mysql": true, "/opt/app": true,
		"": false, "/": false, "vol": false, "/vol/": false, "/vol//x": false, "/vol/..": false, "/vol/.hidden": false, "/a b": false, "/vol\n/x": false,
		"/etc": false, "/etc/ssl": false, "/usr/local": false, "/proc/x": false, "/opt": false, "/opt/opsyard": false, "/var/lib/opsyard/x": false,
		"/srv/www": false, "/var/www": false, "/var/log/apache2": false, "/var/log/httpd": false, "/var/log/mysql": false,
	} {
		if err := CheckMountPoint(dir); (err == nil) != ok {
			t.Errorf("%q: %v", dir, err)
		}
	}
}

func TestResourcesTellWhatTheyAre(t *testing.T) {
	t.Parallel()
	r := RdsDbInstance{Arn: " arn:aws:rds:eu-west-1:123456789012:db:orders ", DbUser: "u", DbPassword: " p ", Engine: "Aurora-PostgreSQL"}
	r.Normalize()
	if err := r.Validate(); err != nil || r.Region != "eu-west-1" || r.DbInstanceIdentifier != "orders" || r.PortOrDefault() != 5432 || r.DbPassword != " p " || !r.MissingOnRds() {
		t.Errorf("%+v, %v", r, err)
	}
	c := EcsCluster{Arn: "arn:aws-us-gov:ecs:us-gov-west-1:123456789012:cluster/jobs"}
	c.Normalize()
	if err := c.Validate(); err != nil || c.Name != "jobs" {
		t.Errorf("%+v, %v", c, err)
	}
	if got := NormalIP(" ::ffff:192.0.2.7 "); got != "192.0.2.7" {
		t.Errorf("the address is %q", got)
	}
	for what, thing := range map[string]interface{ Validate() error }{
		"a cluster of another service": &EcsCluster{Arn: "arn:aws:eks:us-east-1:123456789012:cluster/jobs"},
		"a database cluster":           &RdsDbInstance{Arn: "arn:aws:rds:us-east-1:123456789012:cluster:orders", DbUser: "u", DbPassword: "p"},
		"no password":                  &RdsDbInstance{Arn: r.Arn, DbUser: "u"},
		"an address with a path":       &RdsDbInstance{Arn: r.Arn, DbUser: "u", DbPassword: "p", Address: "orders/x"},
		"a multicast address":          &ElasticIP{IP: "224.0.0.1"},
		"no address":                   &ElasticIP{},
		"a path as volume":             &Volume{Ec2VolumeID: "vol-1/.."},
		"a balancer that ends in -":    &ElasticLoadBalancer{Name: "front-"},
		"a name that is no host":       &ElasticLoadBalancer{Name: "front", DNSName: "a b"},
	} {
		if CodeOf(thing.Validate()) != CodeInvalid {
			t.Errorf("%s is not refused", what)
		}
	}
}
