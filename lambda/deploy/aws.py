"""All that a deployment asks of AWS: who one is, parameters, the stack and the table.

Credentials come from where AWS's tools keep theirs (``aws configure``, ``AWS_PROFILE``, the
environment), addresses from ``AWS_ENDPOINT_URL`` where it is set.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from deploy.errors import DeployError

POLL_S = 5.0
PATIENCE_S = 1800.0

_WHY = {
    "AccessDenied": "your AWS user may not do this: give it the rights of docs/deploy.md",
    "AccessDeniedException": "your AWS user may not do this: give it the rights of docs/deploy.md",
    "ExpiredToken": "your AWS login has expired: log in again",
    "ExpiredTokenException": "your AWS login has expired: log in again",
    "InvalidClientTokenId": "AWS does not know these credentials: run `aws configure` again",
    "SignatureDoesNotMatch": "the secret access key is wrong: run `aws configure` again",
    "UnrecognizedClientException": "AWS does not know these credentials: run `aws configure` again",
}


@dataclass(frozen=True)
class Stack:
    """A CloudFormation stack as it is."""

    status: str
    outputs: dict[str, str]
    parameters: dict[str, str]
    tags: dict[str, str]

    @property
    def busy(self) -> bool:
        """Whether something is being done to it."""
        return self.status.endswith("_IN_PROGRESS")

    @property
    def usable(self) -> bool:
        """Whether a whole version of it is in service, be it the one before."""
        return self.status in (
            "CREATE_COMPLETE",
            "UPDATE_COMPLETE",
            "UPDATE_ROLLBACK_COMPLETE",
            "IMPORT_COMPLETE",
        )


class Aws:
    """One account in one region."""

    def __init__(self, region: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self.region = region
        self._sleep = sleep
        self._session = boto3.Session(region_name=region)
        self._clients: dict[str, Any] = {}

    def account(self) -> str:
        """The account's number; proves that the credentials are good."""
        return str(self._call("sts", "get_caller_identity")["Account"])

    def export_credentials(self) -> None:
        """Puts the credentials in force into the environment, for the cloud's own commands."""
        found = self._session.get_credentials()
        if found is None:
            raise DeployError("there are no AWS credentials: run `aws configure`, or log in")
        frozen = found.get_frozen_credentials()
        os.environ["AWS_ACCESS_KEY_ID"] = str(frozen.access_key)
        os.environ["AWS_SECRET_ACCESS_KEY"] = str(frozen.secret_key)
        if frozen.token:
            os.environ["AWS_SESSION_TOKEN"] = str(frozen.token)

    def parameters(self, path: str) -> dict[str, str]:
        """All parameters right below ``path``, decrypted, by the last part of their names."""
        found: dict[str, str] = {}
        more: dict[str, str] = {}
        while True:
            answer = self._call(
                "ssm", "get_parameters_by_path", Path=path, WithDecryption=True, **more
            )
            for one in answer["Parameters"]:
                found[one["Name"].rpartition("/")[2]] = one["Value"]
            if not answer.get("NextToken"):
                return found
            more = {"NextToken": answer["NextToken"]}

    def put_parameter(self, path: str, name: str, value: str, secret: bool = True) -> None:
        """Writes one, encrypted if it is secret."""
        self._call(
            "ssm",
            "put_parameter",
            Name=f"{path}/{name}",
            Value=value,
            Type="SecureString" if secret else "String",
            Tier="Standard",
            Overwrite=True,
        )

    def delete_parameter(self, path: str, name: str) -> None:
        """Deletes one, if it is there."""
        self._call("ssm", "delete_parameters", Names=[f"{path}/{name}"])

    def stack(self, name: str) -> Stack | None:
        """The stack; None if there is none."""
        try:
            [found] = self._client("cloudformation").describe_stacks(StackName=name)["Stacks"]
        except ClientError as error:
            said = error.response.get("Error", {})
            if said.get("Code") == "ValidationError" and "does not exist" in said.get(
                "Message", ""
            ):
                return None
            raise _sentence("DescribeStacks", error) from None
        except BotoCoreError as error:
            raise _sentence("DescribeStacks", error) from None
        return Stack(
            status=found["StackStatus"],
            outputs={o["OutputKey"]: o["OutputValue"] for o in found.get("Outputs", [])},
            parameters={
                p["ParameterKey"]: p.get("ParameterValue", "") for p in found.get("Parameters", [])
            },
            tags={t["Key"]: t["Value"] for t in found.get("Tags", [])},
        )

    def settled_stack(self, name: str) -> Stack | None:
        """The stack once nothing is being done to it."""
        waited = 0.0
        while (found := self.stack(name)) is not None and found.busy:
            if waited >= PATIENCE_S:
                raise DeployError(
                    f"the stack {name} is {found.status} for half an hour: see AWS's console"
                )
            self._sleep(POLL_S)
            waited += POLL_S
        return found

    def template(self, name: str) -> str:
        """The template that the stack was made with, as it was sent: its code is still in S3."""
        body = self._call(
            "cloudformation", "get_template", StackName=name, TemplateStage="Original"
        )["TemplateBody"]
        if not isinstance(body, str):
            raise DeployError(f"the template of the stack {name} cannot be read back")
        return body

    def delete_stack(self, name: str) -> None:
        """Deletes the stack and waits until it is gone; what it retains stays."""
        self._call("cloudformation", "delete_stack", StackName=name)
        left = self.settled_stack(name)
        if left is not None and left.status != "DELETE_COMPLETE":
            raise DeployError(
                f"the stack {name} cannot be deleted ({left.status}): see AWS's console"
            )

    def delete_table(self, name: str) -> None:
        """Deletes a table with all that is in it, for good; nothing, if it is not there."""
        client = self._client("dynamodb")
        try:
            client.update_table(TableName=name, DeletionProtectionEnabled=False)
            client.get_waiter("table_exists").wait(TableName=name)
            client.delete_table(TableName=name)
        except client.exceptions.ResourceNotFoundException:
            return
        except (BotoCoreError, ClientError) as error:
            raise _sentence("DeleteTable", error) from None

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self._session.client(
                service,
                config=Config(
                    connect_timeout=5,
                    read_timeout=20,
                    retries={"mode": "standard", "total_max_attempts": 5},
                ),
            )
        return self._clients[service]

    def _call(self, service: str, operation: str, **request: Any) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = getattr(self._client(service), operation)(**request)
        except (BotoCoreError, ClientError) as error:
            raise _sentence(operation, error) from None
        return answer


def _sentence(operation: str, error: Exception) -> DeployError:
    """One sentence. AWS's own words may repeat what was sent, so only known ones are told."""
    if isinstance(error, ClientError):
        code = str(error.response.get("Error", {}).get("Code", ""))
        code = code if code.isalnum() else "an error"
        return DeployError(
            f"AWS refuses {operation} ({code}): {_WHY.get(code, 'look it up by this word')}"
        )
    kind = type(error).__name__
    if kind in ("NoCredentialsError", "PartialCredentialsError", "ProfileNotFound"):
        return DeployError("there are no AWS credentials: run `aws configure`, or log in")
    return DeployError(
        f"AWS cannot be reached now ({operation}: {kind}): look at the network, run this again"
    )
