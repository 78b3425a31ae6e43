"""Publishing over EMQX's HTTP API: only what EMQX itself says it delivered is delivered."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cloud.adapters.emqx_api import EmqxApi
from cloud.adapters.emqx_publisher import EmqxPublisher
from cloud.adapters.publisher import NobodyListens, PublishFailed
from tests.fakes.emqx import NOT_DISPATCHED, TOO_MANY, Emqx, Reply
from tests.plugins.mosquitto import Certificates

TOPIC = "arcade/machine/cab001/coinpulse"


@pytest.fixture
def emqx() -> Iterator[Emqx]:
    made = Emqx(subscribed={TOPIC})
    yield made
    made.stop()


@pytest.fixture
def publisher(emqx: Emqx) -> Iterator[EmqxPublisher]:
    made = EmqxPublisher(EmqxApi(emqx.url, timeout=5.0))
    yield made
    made.close()


def test_a_message_is_handed_to_a_session_with_its_expiry(
    emqx: Emqx, publisher: EmqxPublisher
) -> None:
    publisher.publish(TOPIC, b'{"a":1}', 118)
    publisher.publish(TOPIC, b"{}")
    assert emqx.published() == [
        {
            "topic": TOPIC,
            "payload": '{"a":1}',
            "qos": 1,
            "properties": {"message_expiry_interval": 118},
        },
        {"topic": TOPIC, "payload": "{}", "qos": 1},
    ]
    assert len(emqx.connections) == 1


def test_a_message_that_nobody_subscribes_to_is_not_delivered(
    emqx: Emqx, publisher: EmqxPublisher
) -> None:
    emqx.subscribed.clear()
    with pytest.raises(NobodyListens, match=f"no cabinet listens to {TOPIC}"):
        publisher.publish(TOPIC, b"{}")
    assert len(emqx.published()) == 1


@pytest.mark.parametrize(
    ("reply", "sentence"),
    [
        ((200, b"<html>welcome to the hotel</html>"), "not as EMQX does"),
        ((200, b"[]"), "does not say that it has the message"),
        ((200, {"message": "ok"}), "does not say that it has the message"),
        ((200, {"id": 7}), "does not say that it has the message"),
        ((202, b"accepted"), "not as EMQX does"),
        ((204, None), "refuses the call with 204"),
        ((302, b"elsewhere"), "refuses the call with 302"),
        ((400, {"code": "BAD_REQUEST"}), "refuses the call with 400"),
        ((401, b"<html>"), "does not take the API key"),
        ((403, {"message": "forbidden"}), "does not let the API key"),
        ((404, b"<html>not found</html>"), "whether the deployment runs"),
        (NOT_DISPATCHED, "fails with 503: look in EMQX's console whether the deployment runs"),
        ((502, b"<html>bad gateway</html>"), "fails with 502"),
    ],
)
def test_no_other_answer_is_a_delivery_and_each_is_one_sentence(
    emqx: Emqx, publisher: EmqxPublisher, reply: Reply, sentence: str
) -> None:
    emqx.replies = [reply]
    with pytest.raises(PublishFailed, match=sentence) as failure:
        publisher.publish(TOPIC, b"{}")
    assert not isinstance(failure.value, NobodyListens)
    assert "secret" not in str(failure.value)
    assert "\n" not in str(failure.value)
    emqx.replies = []
    publisher.publish(TOPIC, b"{}")


def test_a_limit_that_is_reached_is_waited_for_and_then_told(emqx: Emqx) -> None:
    patient = EmqxPublisher(EmqxApi(emqx.url, timeout=5.0))
    emqx.replies = [TOO_MANY, TOO_MANY]
    patient.publish(TOPIC, b"{}")
    assert len(emqx.calls) == 3
    patient.close()
    impatient = EmqxPublisher(EmqxApi(emqx.url, timeout=0.2))
    emqx.replies = [TOO_MANY]
    with pytest.raises(PublishFailed, match="limit of 10 a second"):
        impatient.publish(TOPIC, b"{}")
    impatient.close()


def test_a_wrong_key_is_told_and_never_shown(emqx: Emqx) -> None:
    url = emqx.url.replace("app%2Fsecret", "not-the-secret")
    publisher = EmqxPublisher(EmqxApi(url))
    with pytest.raises(PublishFailed, match="does not take the API key") as failure:
        publisher.publish(TOPIC, b"{}")
    assert "not-the-secret" not in str(failure.value)
    publisher.close()


def test_a_server_that_is_gone_is_told_and_its_key_is_not(emqx: Emqx) -> None:
    publisher = EmqxPublisher(EmqxApi(emqx.url, timeout=0.5))
    publisher.publish(TOPIC, b"{}")
    emqx.stop()
    with pytest.raises(PublishFailed, match="cannot be reached: look in EMQX's console") as failure:
        EmqxPublisher(EmqxApi(emqx.url, timeout=0.5)).publish(TOPIC, b"{}")
    assert "secret" not in str(failure.value)
    publisher.close()


def test_a_server_that_hangs_is_given_up(emqx: Emqx) -> None:
    emqx.hangs = 1
    publisher = EmqxPublisher(EmqxApi(emqx.url, timeout=0.2))
    with pytest.raises(PublishFailed, match="does not answer in time"):
        publisher.publish(TOPIC, b"{}")
    publisher.close()


def test_after_a_freeze_the_old_connection_is_not_trusted(emqx: Emqx) -> None:
    now = [1000.0]
    publisher = EmqxPublisher(EmqxApi(emqx.url, clock=lambda: now[0]))
    publisher.publish(TOPIC, b"{}")
    now[0] += 29
    publisher.publish(TOPIC, b"{}")
    assert len(emqx.connections) == 1
    now[0] += 31
    publisher.publish(TOPIC, b"{}")
    assert len(emqx.connections) == 2
    now[0] -= 500  # a clock that was put right says nothing
    publisher.publish(TOPIC, b"{}")
    assert len(emqx.connections) == 3
    publisher.close()


def test_a_kept_connection_that_hangs_is_replaced_within_the_time(emqx: Emqx) -> None:
    publisher = EmqxPublisher(EmqxApi(emqx.url, timeout=1.0))
    publisher.publish(TOPIC, b"{}")
    emqx.hangs = 1
    publisher.publish(TOPIC, b"{}")
    assert len(emqx.connections) == 2
    publisher.close()


def test_only_a_server_that_proves_itself_gets_the_key(certificates: Certificates) -> None:
    emqx = Emqx(subscribed={TOPIC}, tls=(certificates.server, certificates.server_key))
    trusting = EmqxPublisher(EmqxApi(emqx.url, str(certificates.ca_file)))
    trusting.publish(TOPIC, b"{}")
    assert len(emqx.calls) == 1
    for ca_file in ("", str(certificates.other_ca_file)):
        wary = EmqxPublisher(EmqxApi(emqx.url, ca_file))
        with pytest.raises(PublishFailed, match="does not prove with a known certificate"):
            wary.publish(TOPIC, b"{}")
        wary.close()
    elsewhere = EmqxPublisher(
        EmqxApi(emqx.url.replace("localhost", "127.0.0.1"), str(certificates.ca_file))
    )
    with pytest.raises(PublishFailed, match="does not prove with a known certificate"):
        elsewhere.publish(TOPIC, b"{}")
    elsewhere.close()
    assert len(emqx.calls) == 1
    trusting.close()
    emqx.stop()
