"""What of the deploy to the local AWS needs no server."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from sandbox.aws.clients import Clients
from sandbox.aws.deploy import DeployError, Route, deploy, routes_of, zip_folder


def call(function: str, payload: str | None = "2.0") -> dict[str, Any]:
    uri = f"arn:${{AWS::Partition}}:apigateway:${{AWS::Region}}:lambda:path/functions/${{{function}.Arn}}/invocations"
    integration: dict[str, Any] = {"type": "aws_proxy", "httpMethod": "POST", "uri": {"Fn::Sub": uri}}
    return {"x-amazon-apigateway-integration": integration | ({"payloadFormatVersion": payload} if payload else {})}


def api(paths: dict[str, Any]) -> dict[str, Any]:
    body = {"openapi": "3.0.1", "paths": paths}
    return {"Resources": {"Api": {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"Body": body}}}}


def test_every_operation_of_the_http_api_becomes_a_route() -> None:
    """A route that AWS would serve is served locally, under the same key and by the same function."""
    template = api(
        {
            "/webhooks/zoho/{token}": {"post": call("Ingest")},
            "/oauth/{vendor}/callback": {"get": call("Oauth", payload=None)},
            "/$default": {"x-amazon-apigateway-any-method": call("Rest")},
            "/any": {"x-amazon-apigateway-any-method": call("Rest", payload="1.0")},
        }
    )
    assert list(routes_of(template)) == [
        Route("Api", "POST /webhooks/zoho/{token}", "Ingest"),
        Route("Api", "GET /oauth/{vendor}/callback", "Oauth"),
        Route("Api", "$default", "Rest"),
        Route("Api", "ANY /any", "Rest", "1.0"),
    ]


def test_other_resources_and_operations_make_no_route() -> None:
    """An API without an OpenAPI body, another resource or a mock operation is left alone."""
    template = api({"/health": {"get": {"responses": {}}}})
    template["Resources"]["Plain"] = {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"Name": "x"}}
    template["Resources"]["Queue"] = {"Type": "AWS::SQS::Queue"}
    assert list(routes_of(template)) == []


def test_the_zip_depends_on_names_and_contents_only(tmp_path: Path) -> None:
    """The same build gives the same S3 key, whenever and in whatever order its files were written."""
    files = {"app.py": b"x = 1\n", "python/ml_connector/__init__.py": b"", "python/a.pyc": b"\x00"}
    for place, names in (("one", list(files)), ("two", list(reversed(files)))):
        for name in names:
            target = tmp_path / place / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(files[name])
    os.utime(tmp_path / "two/app.py", (0, 0))

    content = zip_folder(tmp_path / "one")

    assert content == zip_folder(tmp_path / "two")
    assert {item.filename for item in zipfile.ZipFile(io.BytesIO(content)).infolist()} == set(files)
    (tmp_path / "two/app.py").write_bytes(b"x = 2\n")
    assert content != zip_folder(tmp_path / "two")


@pytest.mark.parametrize(
    ("template", "parameters", "reason"),
    [
        (None, {}, "make build"),
        ("Resources: {}", {"Misspelt": "1"}, "no parameter Misspelt"),
        (
            "Resources: {F: {Type: 'AWS::Serverless::Function', Properties: {CodeUri: F}}}",
            {},
            "F: the built folder",
        ),
    ],
)
def test_a_build_that_cannot_be_deployed_is_refused_with_its_reason(
    tmp_path: Path, template: str | None, parameters: dict[str, str], reason: str
) -> None:
    """Whoever forgot to build, or misspelt a parameter, is told so."""
    if template:
        (tmp_path / "template.yaml").write_text(template)

    class NoServer(Clients):
        def client(self, service: str, **options: Any) -> Any:
            class Silent:
                def create_bucket(self, **_: str) -> None:
                    pass

            return Silent()

    with pytest.raises(DeployError, match=reason):
        deploy(NoServer("http://127.0.0.1:1"), tmp_path, parameters)
