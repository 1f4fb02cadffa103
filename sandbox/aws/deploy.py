"""Deploy what `sam build` made to the local AWS, then bridge what the local AWS lacks (contracts: aws-local 3).

The template is deployed as it is: only the paths of built folders become S3 addresses, as `sam deploy` does.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import time
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from botocore.exceptions import ClientError

from sandbox.aws.clients import Clients

_FOLDER_PROPERTY = {"AWS::Serverless::Function": "CodeUri", "AWS::Serverless::LayerVersion": "ContentUri"}
_DEPLOY_SECONDS = 180
_POLL_SECONDS = 0.1


class DeployError(RuntimeError):
    """The template did not deploy; names the resources at fault and the reasons."""


@dataclass(frozen=True)
class Route:
    """One route of an HTTP API: logical ids of API and function, the route's key (`POST /webhooks/{token}`)."""

    api: str
    key: str
    function: str
    payload_format: str = "2.0"


@dataclass(frozen=True)
class Deployment:
    """A deployed stack: outputs, template after the SAM transform, logical -> physical ids, S3 key -> folder."""

    stack: str
    outputs: Mapping[str, str]
    template: Mapping[str, Any]
    physical: Mapping[str, str]
    folders: Mapping[str, Path]
    parameters: Mapping[str, str] = field(default_factory=dict)

    def of_type(self, kind: str) -> dict[str, str]:
        """Logical -> physical id of the deployed resources of a type, e.g. `AWS::Lambda::Function`."""
        return {
            name: self.physical[name]
            for name, resource in self.template["Resources"].items()
            if resource["Type"] == kind and name in self.physical
        }

    def properties(self, name: str) -> Mapping[str, Any]:
        """Properties of a resource by logical id, after the transform."""
        properties: Mapping[str, Any] = self.template["Resources"][name].get("Properties", {})
        return properties

    def value(self, expression: Any) -> Any:
        """What an expression of the template stands for here: Ref, Fn::Sub, and Fn::GetAtt of a queue's name."""
        match expression:
            case {"Ref": str(name)}:
                return self._named(name)
            case {"Fn::GetAtt": [str(name), "QueueName"]}:
                return self._named(name).rpartition("/")[2]
            case {"Fn::Sub": str(text)}:
                return re.sub(r"\$\{([^}!]+)\}", lambda found: self._named(found[1]), text)
        return expression

    def _named(self, name: str) -> str:
        if name == "AWS::StackName":
            return self.stack
        return self.physical.get(name) or self.parameters.get(name, name)


def zip_folder(folder: Path) -> bytes:
    """The folder as a zip that depends on nothing but names and contents (no times, sorted, not compressed)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix())
            entry.external_attr = (0o755 if path.stat().st_mode & 0o100 else 0o644) << 16
            archive.writestr(entry, path.read_bytes())
    return buffer.getvalue()


def routes_of(template: Mapping[str, Any]) -> Iterator[Route]:
    """Routes that AWS reads from the OpenAPI body of each HTTP API of a processed template."""
    for api, resource in template["Resources"].items():
        body = resource.get("Properties", {}).get("Body")
        if resource["Type"] != "AWS::ApiGatewayV2::Api" or not body:
            continue
        for path, operations in body["paths"].items():
            for method, operation in operations.items():
                call = operation.get("x-amazon-apigateway-integration")
                function = call and re.search(r"\$\{(\w+)\.Arn\}", json.dumps(call["uri"]))
                if not function:
                    continue
                verb = "ANY" if "any" in method else method.upper()
                yield Route(
                    api,
                    "$default" if path == "/$default" else f"{verb} {path}",
                    function[1],
                    call.get("payloadFormatVersion", "2.0"),
                )


def deploy(
    clients: Clients, build: Path, parameters: Mapping[str, str] | None = None, *, stack: str = "ml-connector"
) -> Deployment:
    """Create or update the stack from `build` (the folder with SAM's `template.yaml`). Raises DeployError."""
    source = build / "template.yaml"
    if not source.exists():
        raise DeployError(f"{source} is missing: run `make build`")
    template = yaml.safe_load(source.read_text())
    # AWS refuses these, the local AWS does not.
    if unknown := set(parameters or {}) - set(template.get("Parameters", {})):
        raise DeployError(f"the template has no parameter {', '.join(sorted(unknown))}")
    bucket = f"{stack}-artifacts"
    folders = _upload(clients, build, template, bucket)
    formulas = take_formulas(template)
    # Through S3, as `sam deploy` does: in the call itself a template may have 51,200 bytes only.
    body = json.dumps(template, default=str)  # YAML reads 2012-10-17 as a date
    clients("s3").put_object(Bucket=bucket, Key="template.json", Body=body.encode())
    _apply(clients, stack, f"{clients.endpoint}/{bucket}/template.json", parameters or {})
    deployment = _describe(clients, stack, folders)
    for alarm, metrics in formulas.items():
        deployment.template["Resources"][alarm]["Properties"]["Metrics"] = metrics
    _bridge_routes(clients, deployment)
    _bridge_batch_actions(clients, deployment)
    return deployment


def _upload(clients: Clients, build: Path, template: dict[str, Any], bucket: str) -> dict[str, Path]:
    """Put each built folder into the bucket and its address into the template; S3 key -> folder."""
    s3 = clients("s3")
    s3.create_bucket(Bucket=bucket)
    folders: dict[str, Path] = {}
    for name, resource in template["Resources"].items():
        kind = _FOLDER_PROPERTY.get(resource["Type"])
        if not kind:
            continue
        folder = build / resource["Properties"][kind]
        if not folder.is_dir():
            raise DeployError(f"{name}: the built folder {folder} is missing: run `make build`")
        content = zip_folder(folder)
        key = f"{name}-{hashlib.sha256(content).hexdigest()[:24]}.zip"
        s3.put_object(Bucket=bucket, Key=key, Body=content)
        resource["Properties"][kind] = f"s3://{bucket}/{key}"
        folders[key] = folder.resolve()
    return folders


def take_formulas(template: Mapping[str, Any]) -> dict[str, Any]:
    """Takes metric math, which the local AWS does not know, out of the alarms; logical id -> `Metrics`.

    Each stands there as an alarm of a metric that nobody sends: its name, actions and references are as in AWS.
    """
    taken = {}
    for name, resource in template["Resources"].items():
        if resource["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in resource["Properties"]:
            taken[name] = resource["Properties"].pop("Metrics")
            resource["Properties"] |= {"Namespace": "MetricMath", "MetricName": name, "Statistic": "Sum", "Period": 60}
    return taken


def _apply(clients: Clients, stack: str, template: str, parameters: Mapping[str, str]) -> None:
    cloudformation = clients("cloudformation")
    request = {
        "StackName": stack,
        "TemplateURL": template,
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        "Parameters": [{"ParameterKey": k, "ParameterValue": v} for k, v in sorted(parameters.items())],
    }
    try:
        if _status(clients, stack) is None:
            cloudformation.create_stack(**request)
        else:
            cloudformation.update_stack(**request)
    except ClientError as error:
        if "No updates" in str(error):
            return
        raise DeployError(f"{stack} was refused: {error.response['Error'].get('Message', error)}") from error
    status = _wait(clients, stack)
    if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        raise DeployError(f"{stack}: {status}\n{_reasons(clients, stack)}")


def _status(clients: Clients, stack: str) -> str | None:
    try:
        found = clients("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    return str(found[0]["StackStatus"]) if found else None


def _wait(clients: Clients, stack: str) -> str | None:
    deadline = time.monotonic() + _DEPLOY_SECONDS
    while (status := _status(clients, stack)) and status.endswith("IN_PROGRESS"):
        if time.monotonic() > deadline:
            raise DeployError(f"{stack} is still {status} after {_DEPLOY_SECONDS} s")
        time.sleep(_POLL_SECONDS)
    return status


def _reasons(clients: Clients, stack: str) -> str:
    events = clients("cloudformation").describe_stack_events(StackName=stack)["StackEvents"]
    lines = [
        f"  {event['LogicalResourceId']} ({event['ResourceType']}): {event['ResourceStatusReason']}"
        for event in reversed(events)
        if event["ResourceStatus"].endswith("FAILED") and event.get("ResourceStatusReason")
    ]
    return "\n".join(lines) or "  (no reason was given)"


def _describe(clients: Clients, stack: str, folders: Mapping[str, Path]) -> Deployment:
    cloudformation = clients("cloudformation")
    described = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    template = cloudformation.get_template(StackName=stack, TemplateStage="Processed")["TemplateBody"]
    resources = cloudformation.describe_stack_resources(StackName=stack)["StackResources"]
    return Deployment(
        stack=stack,
        outputs={output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])},
        template=json.loads(template) if isinstance(template, str) else template,
        physical={resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in resources},
        folders=folders,
        parameters={each["ParameterKey"]: each["ParameterValue"] for each in described.get("Parameters", [])},
    )


def _bridge_routes(clients: Clients, deployment: Deployment) -> None:
    """Give the local AWS the routes that AWS takes from the OpenAPI body of an HTTP API (aws-local 3)."""
    gateway, functions = clients("apigatewayv2"), clients("lambda")
    routes = list(routes_of(deployment.template))
    for api in {deployment.physical[route.api] for route in routes}:
        for old in gateway.get_routes(ApiId=api)["Items"]:
            gateway.delete_route(ApiId=api, RouteId=old["RouteId"])
        for old in gateway.get_integrations(ApiId=api)["Items"]:
            gateway.delete_integration(ApiId=api, IntegrationId=old["IntegrationId"])
    for route in routes:
        api, function = deployment.physical[route.api], deployment.physical[route.function]
        arn = functions.get_function_configuration(FunctionName=function)["FunctionArn"]
        integration = gateway.create_integration(
            ApiId=api,
            IntegrationType="AWS_PROXY",
            IntegrationUri=arn,
            PayloadFormatVersion=route.payload_format,
        )["IntegrationId"]
        gateway.create_route(ApiId=api, RouteKey=route.key, Target=f"integrations/{integration}")


# The local AWS asks for an action of the batch call's own name; in AWS the single call's permission covers it.
_BATCH_ACTIONS = {"sqs:SendMessage": "sqs:SendMessageBatch"}


def _bridge_batch_actions(clients: Clients, deployment: Deployment) -> None:
    """Let roles that may send messages send batches of them, as AWS does."""
    iam = clients("iam")
    for role in deployment.of_type("AWS::IAM::Role").values():
        for policy in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            document = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
            if with_batch_actions(document):
                iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(document))


def with_batch_actions(document: dict[str, Any]) -> bool:
    """Adds the batch action to every statement that holds its single one; whether there was any."""
    changed = False
    for statement in document["Statement"]:
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        if added := [_BATCH_ACTIONS[action] for action in actions if action in _BATCH_ACTIONS]:
            statement["Action"] = [*actions, *added]
            changed = True
    return changed
