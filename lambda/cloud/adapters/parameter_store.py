"""Reads settings from AWS Systems Manager's Parameter Store: one signed call for up to ten of them.

Values are decrypted by AWS's own key for the store, which every role of the account may use through
it, so a role needs ``ssm:GetParametersByPath`` on the path and no right on a key:
https://docs.aws.amazon.com/systems-manager/latest/userguide/ps-restrict-decryption.html

The call: https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParametersByPath.html
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from cloud.aws_signature import NoCredentials, Signer

TIMEOUT_S = 2.0
TRIES = 4
LONGEST_WAIT_S = 0.4  # grows to that between tries: all machines of a rush start at once
MOST_PAGES = 10

# These may pass by themselves.
_AGAIN = {"InternalServerError", "ThrottlingException", "TooManyUpdates"}
# What AWS says of a refused signature may quote the request: only these are told.
_WHY = {
    "AccessDeniedException": "the role may not read this path: compare lambda/template.yaml",
    "ExpiredTokenException": "the AWS credentials have expired: get new ones",
    "InvalidSignatureException": "the secret of the AWS credentials is wrong, or the clock is",
    "UnrecognizedClientException": "the AWS credentials are not known",
}


class ParametersUnavailable(Exception):
    """The settings could not be read; the message is one sentence and holds no value."""


class _Again(Exception):
    """This try failed in a way that may pass."""


class ParameterStore:
    """The store in ``region``, or at ``endpoint``. Credentials come from ``environment``, as Lambda
    gives them, or from where AWS's tools keep theirs."""

    def __init__(
        self,
        region: str,
        endpoint: str = "",
        environment: Mapping[str, str] = os.environ,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._signer = Signer(region, "ssm", environment)
        address = urlsplit(endpoint or f"https://ssm.{region}.amazonaws.com")
        self._secure = address.scheme == "https"
        self._host = address.netloc
        self._sleep = sleep

    def read(self, path: str) -> dict[str, str]:
        """The parameters right below ``path``, by the last part of their names; raises
        :class:`ParametersUnavailable`."""
        found: dict[str, str] = {}
        request: dict[str, Any] = {"Path": path, "WithDecryption": True, "MaxResults": 10}
        for _ in range(MOST_PAGES):
            answer = self._call(request)
            try:
                for one in answer["Parameters"]:
                    found[str(one["Name"]).rpartition("/")[2]] = str(one["Value"])
                token = answer.get("NextToken")
            except (KeyError, TypeError) as error:
                raise ParametersUnavailable(
                    "Parameter Store's answer is not as AWS documents it"
                ) from error
            if not token:
                break
            request["NextToken"] = token
        return found

    def _call(self, request: Mapping[str, Any]) -> dict[str, Any]:
        body = json.dumps(request).encode()
        for number in range(1, TRIES + 1):
            try:
                return self._try(body)
            except _Again as error:
                if number == TRIES:
                    raise ParametersUnavailable(
                        f"Parameter Store cannot be used now ({error})"
                    ) from error
                self._sleep(random.uniform(0, LONGEST_WAIT_S * number / TRIES))
        raise AssertionError

    def _try(self, body: bytes) -> dict[str, Any]:
        import http.client  # late: it is long to import, and a sandbox needs none of this

        headers = self._signed(body)
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        connection = kind(self._host, timeout=TIMEOUT_S)
        try:
            connection.request("POST", "/", body, headers)
            response = connection.getresponse()
            status, said = response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            raise _Again(f"no answer: {type(error).__name__}") from error
        finally:
            connection.close()
        return _read(status, said)

    def _signed(self, body: bytes) -> dict[str, str]:
        try:
            return self._signer.headers(
                self._host,
                "application/x-amz-json-1.1",
                "AmazonSSM.GetParametersByPath",
                body,
            )
        except NoCredentials as error:
            raise ParametersUnavailable(f"Parameter Store cannot be used: {error}") from error


def _read(status: int, body: bytes) -> dict[str, Any]:
    """The answer in a response, or what it says went wrong."""
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise _Again(f"an answer with status {status} that is not AWS's")
    if status == 200:
        return answer
    kind = str(answer.get("__type", "")).rpartition("#")[2]
    if status >= 500 or kind in _AGAIN:
        raise _Again(kind if kind.isalnum() else f"status {status}")
    if not (status == 400 and kind.isalnum()):
        raise _Again(f"an answer with status {status} that is not AWS's")
    raise ParametersUnavailable(
        f"Parameter Store refuses ({kind}): {_WHY.get(kind, 'see its documentation')}"
    )
