"""What moto's enforcement of IAM lacks, for the calls of our programs. It runs in the process of moto.

moto finds the policies of a caller and compares actions. It leaves out conditions, the resources of every service
but S3 and SQS, the actions that a call needs besides its own, and the policies of resources. This module adds them for the calls in
`needs`. A call of a role that is not there is refused, so that the list stays complete. Each decision is a line of a file.
"""

import fnmatch
import json
import os
from urllib.parse import unquote

# What the file of decisions is called in the environment.
DECISIONS = "DOWNSPOUT_DECISIONS"


# The rules of IAM, which the checks use as well.


def listed(value):
    return value if isinstance(value, list) else [value]


def matches(patterns, value):
    """Compares with wildcards. In a pattern of IAM, brackets are letters like others."""
    escaped = (pattern.replace("[", "[[]") for pattern in listed(patterns))
    return any(fnmatch.fnmatchcase(value, pattern) for pattern in escaped)


def holds(operator, wanted, value):
    """Whether one condition holds. A key that the request does not have fits negated operators alone."""
    negated = "Not" in operator
    if value is None:
        return negated
    base = operator.replace("Not", "")
    if base in ("StringEquals", "Bool"):
        found = value in [str(one).lower() if base == "Bool" else one for one in listed(wanted)]
    elif base in ("StringLike", "ArnEquals", "ArnLike"):
        found = matches(wanted, value)
    else:
        raise NotImplementedError(f"the condition {operator}")
    return found != negated


def concerns(statement, principal, action, resource, context):
    """Whether a statement says something about a request."""
    who = statement.get("Principal")
    if who is not None and who != "*" and not matches(who.get("AWS", []), principal):
        return False
    if not matches([one.lower() for one in listed(statement["Action"])], action.lower()):
        return False
    if not matches(statement["Resource"], resource):
        return False
    tests = [(operator, key, value) for operator, keys in statement.get("Condition", {}).items() for key, value in keys.items()]
    return all(holds(operator, value, context.get(key)) for operator, key, value in tests)


def permits(statements, principal, action, resource, context):
    """The answer of IAM to one request of a role. `statements` are those of the role's policies, and of the resource's policy."""
    effects = {one["Effect"] for one in statements if concerns(one, principal, action, resource, context)}
    return effects == {"Allow"}


def statements_of(document):
    policy = json.loads(document) if isinstance(document, str) else document
    return listed(policy["Statement"])


# What a call needs, as (action, resource, context).


class Call:
    """One call of a role: its parameters, and the places where moto keeps things."""

    def __init__(self, response, request, resource):
        self.response, self.resource = response, resource
        self.service, self.name = request._service, request._action.split(":")[1]
        self.account, self.region = request.account_id, request._region
        is_json = self.service != "s3" and isinstance(response.body, str) and response.body.startswith("{")
        self.given = json.loads(response.body) if is_json else {key: value[0] for key, value in response.querystring.items()}

    def backend(self, service, region=None):
        from moto.backends import get_backend

        return get_backend(service)[self.account][region or self.region]

    def arn(self, service, rest):
        return f"arn:aws:{service}:{self.region}:{self.account}:{rest}"

    def numbered(self, prefix):
        """The values of PREFIX.1, PREFIX.2 and so on."""
        return [value for key, value in self.given.items() if key.rpartition(".")[0] == prefix]


def needs(call):
    """Everything that the role of a call must be allowed."""
    rules = {"s3": of_s3, "sns": of_sns, "sqs": of_sqs, "secretsmanager": of_secrets, "ssm": of_parameters, "ec2": of_ec2,
             "monitoring": of_metrics, "logs": of_logs, "datapipeline": of_pipelines}
    if call.service not in rules:
        raise NotImplementedError(f"what {call.service}:{call.name} needs")
    return list(rules[call.service](call))


def of_key(call, key, actions):
    """The use of a key of KMS, unless it is one of AWS itself."""
    if key and not key.startswith("alias/aws/") and "DEFAULT" not in key:
        arn = key if key.startswith("arn:") else call.arn("kms", f"key/{key}")
        for action in actions:
            yield f"kms:{action}", arn, {}


def of_s3(call):
    yield f"s3:{call.name}", call.resource, {}
    headers, bucket = call.response.headers, call.resource.partition("/")[0]
    if source := headers.get("x-amz-copy-source"):
        yield "s3:GetObject", f"arn:aws:s3:::{unquote(source).lstrip('/').partition('?')[0]}", {}
    if call.name == "PutObject" and headers.get("If-Match"):
        yield "s3:GetObject", call.resource, {}
    # S3 says that a key is missing only to those who may list.
    name, _, key = call.resource.removeprefix("arn:aws:s3:::").partition("/")
    if call.name == "GetObject" and not call.backend("s3", "aws").get_object(name, unquote(key)):
        yield "s3:ListBucket", bucket, {}


def of_sns(call):
    topic = call.given["TopicArn"]
    yield f"sns:{call.name}", topic, {}
    key = call.backend("sns").get_topic(topic).kms_master_key_id
    yield from of_key(call, key, ["Decrypt", "GenerateDataKey"])


def of_sqs(call):
    yield f"sqs:{call.name}", call.resource, {}
    key = call.backend("sqs").get_queue(call.resource.rpartition(":")[2]).kms_master_key_id
    if call.name in ("ReceiveMessage", "SendMessage"):
        yield from of_key(call, key, ["Decrypt"] + ["GenerateDataKey"] * (call.name == "SendMessage"))


def of_secrets(call):
    secret = call.backend("secretsmanager").secrets.get(call.given["SecretId"])
    yield f"secretsmanager:{call.name}", secret.arn if secret else call.given["SecretId"], {}
    yield from of_key(call, secret and secret.kms_key_id, ["Decrypt"])


def of_parameters(call):
    name = call.given["Name"]
    yield f"ssm:{call.name}", name if name.startswith("arn:") else call.arn("ssm", f"parameter/{name.lstrip('/')}"), {}


def of_metrics(call):
    # The AWS CLI speaks a form of its own to CloudWatch.
    given = call.given if "Namespace" in call.given else parsed(call.response)
    yield f"cloudwatch:{call.name}", "*", {"cloudwatch:namespace": given["Namespace"]}


def parsed(response):
    response.parse_parameters(response.normalized_request)
    return response.params


def of_logs(call):
    yield f"logs:{call.name}", call.arn("logs", f"log-group:{call.given['logGroupName']}:log-stream:{call.given.get('logStreamName', '')}"), {}


def of_pipelines(call):
    yield f"datapipeline:{call.name}", "*", {}
    if call.name == "CreatePipeline" and call.given.get("tags"):
        yield "datapipeline:AddTags", "*", {}
    for one in call.given.get("pipelineObjects", []):
        for field in one["fields"]:
            if field["key"] in ("role", "resourceRole"):
                yield "iam:PassRole", f"arn:aws:iam::{call.account}:role/{field['stringValue']}", {}


def of_ec2(call):
    if call.name == "RunInstances":
        yield from of_start(call)
    elif call.name == "TerminateInstances":
        for identity in call.numbered("InstanceId"):
            tags = {tag["key"]: tag["value"] for tag in call.backend("ec2").describe_tags(filters={"resource-id": [identity]})}
            context = {f"aws:ResourceTag/{key}": value for key, value in tags.items()}
            yield "ec2:TerminateInstances", call.arn("ec2", f"instance/{identity}"), context
    else:
        yield f"ec2:{call.name}", "*", {}


def of_start(call):
    """RunInstances, which concerns everything that a machine is made of."""
    ec2, given = call.backend("ec2"), call.given
    tags = {}
    for key, kind in given.items():
        if key.startswith("TagSpecification.") and key.endswith(".ResourceType"):
            prefix = key.removesuffix("ResourceType") + "Tag."
            names = [name for name in given if name.startswith(prefix) and name.endswith(".Key")]
            tags[kind] = {f"aws:RequestTag/{given[name]}": given[name.removesuffix("Key") + "Value"] for name in names}
    kinds = ["instance", "volume"] + ["spot-instances-request"] * ("InstanceMarketOptions.MarketType" in given)
    for kind in kinds:
        yield "ec2:RunInstances", call.arn("ec2", f"{kind}/*"), tags.get(kind, {})
    interface = "NetworkInterface.1." if "NetworkInterface.1.DeviceIndex" in given else ""
    vpc = lambda one: {"ec2:Vpc": call.arn("ec2", f"vpc/{one.vpc_id}")}
    subnet = given[f"{interface}SubnetId"]
    yield "ec2:RunInstances", call.arn("ec2", f"subnet/{subnet}"), vpc(ec2.get_subnet(subnet))
    for group in call.numbered(f"{interface}SecurityGroupId"):
        yield "ec2:RunInstances", call.arn("ec2", f"security-group/{group}"), vpc(ec2.get_security_group_from_id(group))
    yield "ec2:RunInstances", f"arn:aws:ec2:{call.region}::image/{given['ImageId']}", {}
    yield "ec2:RunInstances", call.arn("ec2", "network-interface/*"), {}
    if "KeyName" in given:
        yield "ec2:RunInstances", call.arn("ec2", f"key-pair/{given['KeyName']}"), {}
    for kind, wanted in tags.items():
        yield "ec2:CreateTags", call.arn("ec2", f"{kind}/*"), wanted | {"ec2:CreateAction": "RunInstances"}
    name = given.get("IamInstanceProfile.Name") or given["IamInstanceProfile.Arn"].rpartition("/")[2]
    for role in call.backend("iam", "aws").get_instance_profile(name).roles:
        yield "iam:PassRole", role.arn, {"iam:PassedToService": "ec2.amazonaws.com"}


def of_resource(call, arn):
    """The statements of the policy that a topic or a bucket has itself."""
    if call.service == "sns" and arn.startswith("arn:aws:sns:"):
        return statements_of(call.backend("sns").get_topic(arn).policy)
    if call.service == "s3":
        policy = call.backend("s3", "aws").get_bucket(arn.removeprefix("arn:aws:s3:::").partition("/")[0]).policy
        return statements_of(policy.decode() if isinstance(policy, bytes) else policy) if policy else []
    return []


# The place in moto.


def authorize(self, iam_request_cls, resource="*"):
    """Takes the place of moto's own function of this purpose, from the call after which moto enforces IAM.

    It compares no signatures: moto reckons those of botocore's way to write a request alone. The key id and the session say who calls.
    """
    from moto import settings
    from moto.core.authorization import ActionAuthenticatorMixin
    from moto.iam.access_control import AssumedRoleAccessKey, IAMPolicy

    if ActionAuthenticatorMixin.request_count < settings.INITIAL_NO_AUTH_ACTION_COUNT:
        ActionAuthenticatorMixin.request_count += 1
        return
    path = self.raw_path + ("?" + self.uri.partition("?")[2] if "?" in self.uri else "")
    request = iam_request_cls(account_id=self.current_account, method=self.method, path=path, data=self.data, body=self.raw_body,
                              headers=self.headers, action=self._get_action())
    if not isinstance(request._access_key, AssumedRoleAccessKey):
        request.check_action_permitted(resource)
        return
    if request._action == "sts:GetCallerIdentity":
        return
    call, role = Call(self, request, resource), request._access_key._owner_role_name
    own = [one for policy in request._access_key.collect_policies() for one in listed(IAMPolicy(policy)._policy_json["Statement"])]
    principal = f"arn:aws:iam::{call.account}:role/{role}"
    general = {"aws:PrincipalArn": principal, "aws:SecureTransport": "true", "aws:PrincipalIsAWSService": "false"}
    denied = False
    with open(os.environ[DECISIONS], "a") as file:
        for action, arn, context in needs(call):
            context = general | context
            others = of_resource(call, arn)
            permitted = permits(own + others, principal, action, arn, context)
            denied |= not permitted
            line = {"role": role, "action": action, "resource": arn, "context": context, "permitted": permitted,
                    "by_the_resource": permits(others, principal, action, arn, context)}
            file.write(json.dumps(line) + "\n")
    if denied:
        request._raise_access_denied()


def install():
    from moto.core.authorization import ActionAuthenticatorMixin

    ActionAuthenticatorMixin._authenticate_and_authorize_action = authorize
