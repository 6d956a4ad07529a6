"""A build job's road through OpsWorks: every step by boto3, every wait by its waiters."""
import json
import os

import boto3
from botocore.exceptions import ClientError, WaiterError

ops = boto3.client("opsworks", endpoint_url=os.environ["OPSYARD"])
SOON = {"Delay": 1, "MaxAttempts": 90}


def wait(name, **what):
    ops.get_waiter(name).wait(WaiterConfig=SOON, **what)


def refused(code, call, **what):
    try:
        call(**what)
    except ClientError as e:
        assert e.response["Error"]["Code"] == code, e
        assert e.response["Error"]["Message"], e
        return e.response["Error"]["Message"]
    raise AssertionError(f"{call.__name__} was not refused")


stack = ops.create_stack(
    Name="Shop", Region="us-east-1",
    ServiceRoleArn="arn:aws:iam::123456789012:role/aws-opsworks-service-role",
    DefaultInstanceProfileArn="arn:aws:iam::123456789012:instance-profile/aws-opsworks-ec2-role",
    ConfigurationManager={"Name": "Shell"}, DefaultRootDeviceType="ebs",
    UseCustomCookbooks=True, CustomJson=json.dumps({"shop": {"colour": "blue"}}),
    CustomCookbooksSource={"Type": "git", "Url": os.environ["COOKBOOKS"], "Revision": "main"},
)["StackId"]
seen = ops.describe_stacks(StackIds=[stack])["Stacks"][0]
assert seen["Name"] == "Shop" and seen["CreatedAt"].endswith("+00:00"), seen
assert json.loads(seen["CustomJson"]) == {"shop": {"colour": "blue"}}, seen

ops.tag_resource(ResourceArn=seen["Arn"], Tags={"team": "shop"})
assert ops.list_tags(ResourceArn=seen["Arn"])["Tags"] == {"team": "shop"}

layer = ops.create_layer(
    StackId=stack, Type="custom", Name="Work", Shortname="work", CustomRecipes={"Deploy": ["shop::deploy"]},
)["LayerId"]
instances = [
    ops.create_instance(StackId=stack, LayerIds=[layer], InstanceType="t2.micro")["InstanceId"] for _ in range(2)
]
hosts = {i["Hostname"] for i in ops.describe_instances(StackId=stack)["Instances"]}
assert hosts == {"work1", "work2"}, hosts

# A wait that begins at once must not see the state from before.
ops.start_stack(StackId=stack)
assert {i["Status"] for i in ops.describe_instances(LayerId=layer)["Instances"]} != {"stopped"}
wait("instance_online", StackId=stack)

app = ops.create_app(
    StackId=stack, Name="Simple", Type="other",
    AppSource={"Type": "git", "Url": os.environ["COOKBOOKS"], "Revision": "main"},
    Environment=[{"Key": "TOKEN", "Value": "very secret", "Secure": True}],
)["AppId"]
wait("app_exists", AppIds=[app])
assert ops.describe_apps(AppIds=[app])["Apps"][0]["Environment"][0]["Value"] == "*****FILTERED*****"

deployment = ops.create_deployment(
    StackId=stack, AppId=app, InstanceIds=instances, Command={"Name": "deploy", "Args": {"migrate": ["false"]}}, Comment="by boto3",
)["DeploymentId"]
wait("deployment_successful", DeploymentIds=[deployment])
done = ops.describe_deployments(DeploymentIds=[deployment])["Deployments"][0]
assert done["Comment"] == "by boto3" and done["Duration"] >= 0 and set(done["InstanceIds"]) == set(instances), done
commands = ops.describe_commands(DeploymentId=deployment)["Commands"]
assert [c["Status"] for c in commands] == ["successful"] * 2 and all(c["LogUrl"] for c in commands), commands

# A recipe that fails ends the wait at once, with a failure.
failing = ops.create_deployment(
    StackId=stack, InstanceIds=instances[:1], Command={"Name": "execute_recipes", "Args": {"recipes": ["shop::fail"]}},
)["DeploymentId"]
try:
    wait("deployment_successful", DeploymentIds=[failing])
    raise AssertionError("a failed deployment was waited for as successful")
except WaiterError as e:
    assert e.last_response["Deployments"][0]["Status"] == "failed", e.last_response

refused("ValidationException", ops.delete_instance, InstanceId=instances[0])
refused("ValidationException", ops.delete_stack, StackId=stack)
refused("ValidationException", ops.describe_layers, StackId=stack, LayerIds=[layer])

ops.stop_instance(InstanceId=instances[0])
wait("instance_stopped", InstanceIds=instances[:1])
ops.stop_stack(StackId=stack)
wait("instance_stopped", StackId=stack)
for instance in instances:
    ops.delete_instance(InstanceId=instance)
    wait("instance_terminated", InstanceIds=[instance])
message = refused("ResourceNotFoundException", ops.describe_instances, InstanceIds=instances[:1])
assert instances[0] in message, message

ops.delete_app(AppId=app)
ops.delete_layer(LayerId=layer)
ops.delete_stack(StackId=stack)
refused("ResourceNotFoundException", ops.describe_stacks, StackIds=[stack])
assert ops.describe_stacks()["Stacks"] == []
