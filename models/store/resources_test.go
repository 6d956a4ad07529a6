package store_test

import (
	"fmt"
	"testing"

	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/storetest"
)

func TestElasticIPsMirrorInInstances(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx := t.Context()
		one := storetest.Instance(t, st)
		two := storetest.Instance(t, st, func(i *models.Instance) { i.StackID, i.LayerIDs = one.StackID, one.LayerIDs })
		shows := func(one1, two2 string) {
			t.Helper()
			list, err := st.Instances.ByIDs(ctx, []models.InstanceID{one.ID, two.ID})
			must(t, err)
			equal(t, []string{list[0].ElasticIP, list[1].ElasticIP}, []string{one1, two2})
		}
		ip := &models.ElasticIP{IP: "192.0.2.7", StackID: one.StackID, CreatedAt: noon}
		must(t, st.ElasticIPs.Create(ctx, ip))
		refused(t, st.ElasticIPs.Create(ctx, ip), models.CodeInvalid, "Elastic IP 192.0.2.7 is already registered with a stack: deregister it there first.")
		refused(t, st.ElasticIPs.Create(ctx, &models.ElasticIP{IP: "192.0.2.8", StackID: "gone"}), models.CodeNotFound, "Unable to find stack with ID gone")
		ip.InstanceID, ip.Name = one.ID, "front"
		must(t, st.ElasticIPs.Save(ctx, ip))
		shows(ip.IP, "")
		ip.InstanceID = two.ID
		must(t, st.ElasticIPs.Save(ctx, ip))
		shows("", ip.IP)
		of, err := st.ElasticIPs.OfInstance(ctx, two.ID)
		must(t, err)
		equal(t, len(of), 1)
		equal(t, of[0].Name, "front")
		equal(t, of[0].CreatedAt.UTC(), noon)
		must(t, st.ElasticIPs.Delete(ctx, ip.IP))
		shows("", "")
		refused(t, st.ElasticIPs.Delete(ctx, ip.IP), models.CodeNotFound, "Unable to find elastic IP with ID 192.0.2.7")
		refused(t, st.ElasticIPs.Save(ctx, ip), models.CodeNotFound, "Unable to find elastic IP with ID 192.0.2.7")
	})
}

func TestListsOfKeysKeepTheirOrder(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx, stack := t.Context(), storetest.Stack(t, st)
		const many = 1100 // more than one statement takes
		var ips []string
		must(t, st.Tx(ctx, func(tx *store.Store) error {
			for n := range many {
				ip := fmt.Sprintf("10.1.%d.%d", n/256, n%256)
				ips = append([]string{ip}, ips...)
				if err := tx.ElasticIPs.Create(ctx, &models.ElasticIP{IP: ip, StackID: stack.ID, CreatedAt: noon}); err != nil {
					return err
				}
			}
			return nil
		}))
		list, err := st.ElasticIPs.ByIPs(ctx, append(ips, ips[0]))
		must(t, err)
		equal(t, len(list), many)
		equal(t, list[0].IP, ips[0])
		equal(t, list[many-1].IP, ips[many-1])
		_, err = st.ElasticIPs.ByIPs(ctx, []string{"a", ips[3], "b"})
		refused(t, err, models.CodeNotFound, "Unable to find elastic IP with ID a, b")
	})
}

func TestDatabasePasswordsAreSealed(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx, stack := t.Context(), storetest.Stack(t, st)
		r := &models.RdsDbInstance{Arn: "arn:1", StackID: stack.ID, DbInstanceIdentifier: "orders", DbUser: "app", DbPassword: "canary-1", CreatedAt: noon, UpdatedAt: noon}
		must(t, st.RdsDbInstances.Create(ctx, r))
		var raw string
		must(t, st.Gorm().Raw("SELECT db_password FROM rds_db_instances").Scan(&raw).Error)
		lacks(t, raw, "canary")
		r.DbPassword, r.Address = "canary-2", "orders.example"
		must(t, st.RdsDbInstances.Save(ctx, r))
		got, err := st.RdsDbInstances.Get(ctx, "arn:1")
		must(t, err)
		equal(t, got.DbPassword, "canary-2")
		equal(t, got.MissingOnRds(), false)
		_, err = st.RdsDbInstances.OfStack(ctx, "other", "arn:1")
		refused(t, err, models.CodeNotFound, "unable to find rds instance with ARN arn:1")
		refused(t, st.RdsDbInstances.Delete(ctx, "arn:2"), models.CodeNotFound, "unable to find rds instance with ARN arn:2")
	})
}

func TestBalancersAndClustersAreOneToOne(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx, layer := t.Context(), storetest.Layer(t, st)
		balancer := func(layer models.LayerID, region, name string) error {
			return st.ElasticLoadBalancers.Create(ctx, &models.ElasticLoadBalancer{LayerID: layer, StackID: "s", Region: region, Name: name, CreatedAt: noon})
		}
		other := storetest.Layer(t, st)
		must(t, balancer(layer.ID, "r1", "front"))
		refused(t, balancer(layer.ID, "r1", "back"), models.CodeInvalid, "The layer already has a load balancer: detach it first.")
		refused(t, balancer(other.ID, "r1", "front"), models.CodeInvalid, "Load balancer front is already attached to a layer: detach it there first.")
		must(t, balancer(other.ID, "r2", "front")) // another one of that name
		refused(t, balancer("gone", "r1", "x"), models.CodeNotFound, "Unable to find layer with ID gone")
		must(t, st.Layers.Delete(ctx, layer.ID)) // lets go of it
		left, err := st.ElasticLoadBalancers.OfLayers(ctx, []models.LayerID{layer.ID, other.ID})
		must(t, err)
		equal(t, len(left), 1)

		stack, second := storetest.Stack(t, st), storetest.Stack(t, st)
		cluster := func(stack models.StackID, arn string) error {
			return st.EcsClusters.Create(ctx, &models.EcsCluster{Arn: arn, StackID: stack, Name: arn, RegisteredAt: noon})
		}
		must(t, cluster(stack.ID, "a"))
		refused(t, cluster(stack.ID, "b"), models.CodeInvalid, "The stack already has an ECS cluster: deregister it first.")
		refused(t, cluster(second.ID, "a"), models.CodeInvalid, "Cluster a is already registered with a stack: deregister it there first.")
		refused(t, st.EcsClusters.Delete(ctx, second.ID, "a"), models.CodeNotFound, "Unable to find ECS cluster with ID a")
		must(t, st.Stacks.Delete(ctx, stack.ID))
		must(t, cluster(second.ID, "a"))
	})
}

func TestVolumesAndArrays(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx, stack := t.Context(), storetest.Stack(t, st)
		a := &models.RaidArray{ID: "r", StackID: stack.ID, InstanceID: "i", RaidLevel: 1, CreatedAt: noon}
		must(t, st.RaidArrays.Create(ctx, a))
		iops := 100
		for _, v := range []models.Volume{
			{ID: "1", Ec2VolumeID: "vol-1", Device: "/dev/sdj", RaidArrayID: "r", Iops: &iops}, {ID: "2", Ec2VolumeID: "vol-2", Device: "/dev/sdi", RaidArrayID: "r"},
		} {
			v.StackID, v.InstanceID, v.Status, v.CreatedAt = stack.ID, "i", models.VolumeInUse, noon
			must(t, st.Volumes.Create(ctx, &v))
		}
		err := st.Volumes.Create(ctx, &models.Volume{ID: "3", StackID: stack.ID, Ec2VolumeID: "vol-1", Status: "available", CreatedAt: noon})
		refused(t, err, models.CodeInvalid, "Volume vol-1 is already registered with a stack: deregister it there first.")
		for _, list := range []func() ([]models.Volume, error){
			func() ([]models.Volume, error) { return st.Volumes.OfInstance(ctx, "i") },
			func() ([]models.Volume, error) { return st.Volumes.OfRaidArray(ctx, "r") },
		} {
			got, err := list()
			must(t, err)
			equal(t, len(got), 2)
			equal(t, got[0].ID, "2") // by device
			equal(t, *got[1].Iops, 100)
		}
		a.InstanceID = ""
		must(t, st.RaidArrays.Save(ctx, a))
		arrays, err := st.RaidArrays.OfInstance(ctx, "i")
		must(t, err)
		equal(t, len(arrays), 0)
		must(t, st.RaidArrays.Delete(ctx, "r"))
		_, err = st.RaidArrays.Get(ctx, "r")
		refused(t, err, models.CodeNotFound, "Unable to find RAID array with ID r")
	})
}
