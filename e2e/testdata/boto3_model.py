"""A client made by the description that Opsyard installs."""
import os

import boto3

# Clients that know the variable need no address in the code.
address = {} if "AWS_ENDPOINT_URL_OPSWORKS" in os.environ else {"endpoint_url": os.environ["OPSYARD"]}
ops = boto3.client("opsworks", **address)
assert "Opsyard" in ops.meta.service_model.documentation, "another description was read"
stack = ops.create_stack(
    Name="Model", Region="us-east-1",
    ServiceRoleArn="arn:aws:iam::123456789012:role/aws-opsworks-service-role",
    DefaultInstanceProfileArn="arn:aws:iam::123456789012:instance-profile/aws-opsworks-ec2-role",
    ConfigurationManager={"Name": "Shell"},
)["StackId"]
layer = ops.create_layer(StackId=stack, Type="custom", Name="Work", Shortname="work")["LayerId"]
instance = ops.create_instance(StackId=stack, LayerIds=[layer], InstanceType="t2.micro")["InstanceId"]
ops.start_instance(InstanceId=instance)
ops.get_waiter("instance_online").wait(InstanceIds=[instance], WaiterConfig={"Delay": 1, "MaxAttempts": 60})
assert list(ops.get_paginator("describe_ecs_clusters").paginate(StackId=stack))
ops.stop_instance(InstanceId=instance)
ops.get_waiter("instance_stopped").wait(InstanceIds=[instance], WaiterConfig={"Delay": 1, "MaxAttempts": 60})
ops.delete_instance(InstanceId=instance)
ops.delete_layer(LayerId=layer)
ops.delete_stack(StackId=stack)
