"""Our signature of a call, beside that of AWS's own library."""

from __future__ import annotations

import io
import random
from datetime import UTC, datetime

import pytest
from awscrt import auth
from awscrt.http import HttpHeaders, HttpRequest

from cloud.aws_signature import Credentials, NoCredentials, Signer

PRINTABLE = "".join(chr(code) for code in range(33, 127))


def of_aws(
    region: str, service: str, sent: dict[str, str], body: bytes, who: tuple[str, ...], at: int
) -> str:
    """The header of AWS's library for the same call."""
    signed = HttpHeaders([(name, sent[name]) for name in ("Content-Type", "Host", "X-Amz-Target")])
    config = auth.AwsSigningConfig(
        algorithm=auth.AwsSigningAlgorithm.V4,
        signature_type=auth.AwsSignatureType.HTTP_REQUEST_HEADERS,
        credentials_provider=auth.AwsCredentialsProvider.new_static(who[0], who[1], who[2] or None),
        region=region,
        service=service,
        date=datetime.fromtimestamp(at, UTC),
    )
    request = HttpRequest("POST", "/", signed, io.BytesIO(body))
    auth.aws_sign_request(request, config).result(10)
    return str(signed.get("Authorization"))


@pytest.mark.parametrize("seed", range(40))
def test_a_call_is_signed_as_by_aws(seed: int) -> None:
    chance = random.Random(seed)
    secrets = ("".join(chance.choices(PRINTABLE, k=chance.randint(1, 60))) for _ in range(2))
    who = ("AKIAHALL", next(secrets), chance.choice(("", next(secrets))))
    region, service = chance.choice(("eu-west-1", "us-east-1")), chance.choice(("dynamodb", "ssm"))
    target, body = f"Some_2012.{seed}", chance.randbytes(chance.randint(0, 300))
    at = chance.randint(10**9, 4 * 10**9)
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    signer = Signer(region, service, dict(zip(names, who, strict=True)), lambda: at)
    host = f"{service}.{region}.amazonaws.com:8000"
    sent = signer.headers(host, "application/x-amz-json-1.0", target, body)
    assert sent["Authorization"] == of_aws(region, service, sent, body, who, at)
    assert sent.get("X-Amz-Security-Token", "") == who[2]


def test_without_an_environment_the_credentials_come_from_a_profile(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("aws") / "credentials"
    file.write_text("[hall]\naws_access_key_id = AKIAHALL\naws_secret_access_key = whisper\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file.with_name("config")))
    monkeypatch.setenv("AWS_PROFILE", "hall")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    sent = Signer("eu-west-1", "dynamodb", {}).headers("host", "text/plain", "a", b"")
    assert "Credential=AKIAHALL/" in sent["Authorization"]


def test_no_credentials_anywhere_are_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    nothing = str(tmp_path_factory.mktemp("aws") / "none")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, nothing)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with pytest.raises(NoCredentials, match="AWS_PROFILE"):
        Signer("eu-west-1", "dynamodb", {}).headers("host", "text/plain", "a", b"")


def test_credentials_are_not_printed() -> None:
    assert "whisper" not in repr(Credentials("id", "whisper", "token"))
