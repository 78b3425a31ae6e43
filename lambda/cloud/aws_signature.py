"""Signs a call of AWS's JSON services, with AWS's Signature Version 4.

Only the one form that these calls have is signed: POST on ``/``, without a query, with four
headers. AWS's own library would do it as well, and more; to import it costs more than all of a
claim (docs/decisions/0024-the-start.md). It is still what finds the credentials where the
environment has none, as on an operator's machine with profiles; on Lambda the environment always
has them.

The algorithm: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from awscrt.auth import AwsCredentialsProvider

CREDENTIALS_S = 2.0  # how long credentials are waited for
_ALGORITHM = "AWS4-HMAC-SHA256"


class NoCredentials(Exception):
    """There are no AWS credentials, neither in the environment nor where AWS's tools look."""


class Credentials(NamedTuple):
    """Who signs; ``token`` is empty but for credentials that expire."""

    key_id: str
    secret: str
    token: str

    def __repr__(self) -> str:
        return "Credentials(…)"


class Signer:
    """Signs for ``service`` in ``region``; safe to share between threads."""

    def __init__(
        self,
        region: str,
        service: str,
        environment: Mapping[str, str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._region = region
        self._service = service
        self._environment = environment
        self._clock = clock

    def headers(self, host: str, content_type: str, target: str, body: bytes) -> dict[str, str]:
        """All headers of a call but its length, signed now; raises :class:`NoCredentials`."""
        credentials = self._credentials()
        at = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._clock()))
        headers = {
            "Content-Type": content_type,
            "Host": host,
            "X-Amz-Date": at,
            **({"X-Amz-Security-Token": credentials.token} if credentials.token else {}),
            "X-Amz-Target": target,
        }
        # They stand above in the order of the alphabet, as they have to.
        names = ";".join(headers).lower()
        told = "".join(f"{name.lower()}:{value}\n" for name, value in headers.items())
        canonical = f"POST\n/\n\n{told}\n{names}\n{hashlib.sha256(body).hexdigest()}"
        scope = f"{at[:8]}/{self._region}/{self._service}/aws4_request"
        hashed = hashlib.sha256(canonical.encode()).hexdigest()
        signature = hmac.new(
            self._key(credentials.secret, at[:8]),
            f"{_ALGORITHM}\n{at}\n{scope}\n{hashed}".encode(),
            hashlib.sha256,
        ).hexdigest()
        headers["Authorization"] = (
            f"{_ALGORITHM} Credential={credentials.key_id}/{scope}, "
            f"SignedHeaders={names}, Signature={signature}"
        )
        return headers

    def _key(self, secret: str, day: str) -> bytes:
        key = f"AWS4{secret}".encode()
        for part in (day, self._region, self._service, "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        return key

    def _credentials(self) -> Credentials:
        environment = self._environment
        if environment.get("AWS_ACCESS_KEY_ID"):
            return Credentials(
                environment["AWS_ACCESS_KEY_ID"],
                environment.get("AWS_SECRET_ACCESS_KEY", ""),
                environment.get("AWS_SESSION_TOKEN", ""),
            )
        from awscrt.exceptions import AwsCrtError

        try:
            found = self._provider.get_credentials().result(CREDENTIALS_S)
        except (AwsCrtError, TimeoutError) as error:
            raise NoCredentials(
                "there are no AWS credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
                "or AWS_PROFILE"
            ) from error
        return Credentials(found.access_key_id, found.secret_access_key, found.session_token or "")

    @cached_property
    def _provider(self) -> AwsCredentialsProvider:
        """It keeps what it found, and asks again before that expires."""
        from awscrt.auth import AwsCredentialsProvider

        return AwsCredentialsProvider.new_default_chain()
