"""A name of one's own and AWS WAF: what the template's options make of the stack's addresses."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mlc.main import app
from sandbox.aws import BUILD, DeployError, LocalStack, local_stack

pytestmark = pytest.mark.e2e

LOCALLY = {
    "SandboxUrl": "http://127.0.0.1:99",
    "PythonRuntime": f"python{sys.version_info.major}.{sys.version_info.minor}",
    "Architecture": "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64",
}
NAME = "hooks.example.com"
DOMAIN = {
    "DomainName": NAME,
    "CertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/0a0a0a0a-0000-0000-0000-000000000000",
}
WAF = {"WebAclArn": "arn:aws:wafv2:us-east-1:123456789012:global/webacl/hooks/0b0b0b0b-0000-0000-0000-000000000000"}


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    with local_stack(BUILD, LOCALLY) as stack:
        yield stack


def told(stack: LocalStack) -> set[str]:
    """The hosts that people and vendors are told: by outputs, and by the functions that make subscriptions."""
    ends = {"WebhookUrl": "/webhooks", "OAuthCallbackUrl": "/oauth/zoho/callback"}
    addresses = {stack.outputs[name].removesuffix(end) for name, end in ends.items()}
    for function in ("DeliveryFunction", "RenewSubscriptionsFunction"):
        settings = stack.client("lambda").get_function_configuration(
            FunctionName=stack.deployment.physical[function]
        )  # fmt: skip
        addresses.add(settings["Environment"]["Variables"]["WEBHOOKS_URL"].removesuffix("/webhooks"))
    return addresses


def change(stack: LocalStack, parameters: Mapping[str, str]) -> Mapping[str, str]:
    """An update of the stack in place; its outputs."""
    stack.parameters = {**LOCALLY, **parameters}
    stack.release(BUILD)
    return stack.outputs


def test_without_options_aws_gives_the_address(stack: LocalStack) -> None:
    """Nothing stands before the API, and nothing is paid for."""
    change(stack, {})
    assert told(stack) == {stack.outputs["ApiUrl"]}
    assert "DomainTarget" not in stack.outputs
    assert not stack.deployment.physical.keys() & {"ApiDomain", "ApiDomainMapping", "DomainRecord", "Edge"}


def test_everybody_is_told_the_name(stack: LocalStack) -> None:
    """With DomainName all addresses have it, and with a hosted zone its record leads to the API."""
    dns = stack.client("route53")
    zone = dns.create_hosted_zone(Name="example.com", CallerReference=NAME)["HostedZone"]["Id"].rpartition("/")[2]
    outputs = change(stack, DOMAIN | {"HostedZoneId": zone})
    assert told(stack) == {f"https://{NAME}"}
    assert "execute-api" in outputs["ApiUrl"]
    (mapping,) = stack.client("apigatewayv2").get_api_mappings(DomainName=NAME)["Items"]
    assert (mapping["ApiId"], mapping["Stage"]) == (outputs["ApiId"], "$default")
    records = dns.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    (record,) = [record for record in records if record["Type"] == "A"]
    assert record["AliasTarget"]["DNSName"].rstrip(".") == outputs["DomainTarget"]


def test_a_web_acl_puts_cloudfront_in_front(stack: LocalStack) -> None:
    """HTTP APIs take no web ACL: CloudFront does, caches nothing, and passes on all but the host's name."""
    change(stack, WAF)
    edge = stack.deployment.physical["Edge"]
    found = stack.client("cloudfront").get_distribution(Id=edge)["Distribution"]
    assert told(stack) == {f"https://{found['DomainName']}"}
    settings = found["DistributionConfig"]
    assert settings["WebACLId"] == WAF["WebAclArn"]
    assert "POST" in settings["DefaultCacheBehavior"]["AllowedMethods"]["Items"]
    assert [origin["DomainName"] for origin in settings["Origins"]["Items"]] == [
        stack.outputs["ApiUrl"].removeprefix("https://")
    ]


def test_name_and_web_acl_go_together(stack: LocalStack) -> None:
    """Then the name is CloudFront's, and the API has none."""
    outputs = change(stack, DOMAIN | WAF)
    assert told(stack) == {f"https://{NAME}"}
    assert outputs["DomainTarget"].endswith(".cloudfront.net")
    assert "ApiDomain" not in stack.deployment.physical


@pytest.mark.parametrize(
    "parameters",
    [
        {"DomainName": NAME},
        {"OnlyDomainName": "true"},
        DOMAIN | WAF | {"OnlyDomainName": "true"},
    ],
)
def test_what_cannot_work_is_refused(stack: LocalStack, parameters: dict[str, str]) -> None:
    """A name without a certificate, and an API that nobody could reach, never come into being."""
    with pytest.raises(DeployError, match=r"DomainName|OnlyDomainName"):
        change(stack, parameters)


def test_destroy_takes_the_options_along_and_keeps_the_trail(
    stack: LocalStack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """CloudFront and the name go with the stack; the audit trail is exported, and its table stays."""
    outputs = change(stack, DOMAIN | WAF)
    monkeypatch.setattr("mlc.destroy.BETWEEN", 0.2)
    trail = tmp_path / "trail.ndjson"
    words = ["destroy", "--confirm", stack.deployment.stack, "--export", str(trail), "--json"]
    done = CliRunner().invoke(app, words, env=stack.environment(), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["destroyed"] is True
    assert trail.exists()
    assert stack.client("cloudfront").list_distributions()["DistributionList"].get("Items", []) == []
    kept = stack.client("dynamodb").describe_table(TableName=outputs["AuditTableName"])["Table"]
    assert kept["TableStatus"] == "ACTIVE"
