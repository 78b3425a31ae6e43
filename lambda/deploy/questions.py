"""Asks what only the operator can know, and checks each answer at once against the real service."""

from __future__ import annotations

import os
from pathlib import Path

from deploy import answers as texts
from deploy import broker
from deploy.answers import Answers
from deploy.aws import Aws
from deploy.errors import DeployError, NotTaken
from deploy.site import PATH
from deploy.stripe_account import StripeAccount, key_mistake
from deploy.terminal import Terminal

TRIES = 5


def region_first(terminal: Terminal, found: Answers, file: Path) -> tuple[Answers, Aws]:
    """The region, and AWS in it: with it, all else can be looked up."""
    for _ in range(TRIES):
        question = texts.QUESTIONS[0]
        if not found.region:
            found = texts.with_answer(found, question.field, _answer(terminal, question))
        aws = Aws(found.region)
        try:
            terminal.say(f"AWS account {aws.account()}, region {found.region}")
        except DeployError as error:
            if "credentials" in str(error) or "login" in str(error):
                raise
            terminal.say(str(error))
            found = texts.with_answer(found, question.field, "")
            continue
        texts.save(file, found)
        return found, aws
    raise DeployError("the region is not clear: run this again")


def rest(terminal: Terminal, found: Answers, file: Path) -> Answers:
    """All other answers; each is kept at once."""
    for question in texts.QUESTIONS:
        if not getattr(found, question.field):
            found = texts.with_answer(found, question.field, _answer(terminal, question))
            texts.save(file, found)
    return found


def secrets(terminal: Terminal, aws: Aws, stage: str) -> dict[str, str]:
    """The secrets that are not in Parameter Store yet, or that their service no longer takes."""
    kept = aws.parameters(f"{PATH}/{stage}")
    found: dict[str, str] = {}
    key, url = kept.get("STRIPE_KEY", ""), kept.get("MQTT_URL", "")
    live = key.startswith(("sk_live_", "rk_live_"))
    try:
        if key:
            terminal.say(f"Stripe account {stripe_account(key)}")
    except NotTaken as error:
        terminal.say(f"The key that is kept: {error}")
        key = ""
    if not key:
        found["STRIPE_KEY"] = stripe_key(terminal, live)
    try:
        if url:
            broker.check(url)
            terminal.say("The broker takes its account")
    except NotTaken as error:
        terminal.say(f"The broker's account that is kept: {error}")
        url = ""
    if not (url and kept.get("MQTT_CABINET_URL")):
        found["MQTT_URL"], found["MQTT_CABINET_URL"] = _broker(terminal)
    return found


def stripe_account(key: str) -> str:
    """The account's id, and the mode of the key."""
    account = StripeAccount(key, os.environ.get("STRIPE_API_BASE", ""))
    return f"{account.id()}, {'live' if account.live else 'test'} mode"


def stripe_key(terminal: Terminal, live: bool) -> str:
    """A secret key that Stripe takes."""
    kind = "live" if live else "test"
    for _ in range(TRIES):
        key = terminal.ask_secret(f"Stripe's {kind} key, sk_{kind}_…")
        wrong = key_mistake(key, live)
        if not wrong:
            try:
                terminal.say(f"Stripe account {stripe_account(key)}")
                return key
            except DeployError as error:
                wrong = str(error)
        terminal.say(wrong)
    raise DeployError("there is no key that Stripe takes: run this again")


def _broker(terminal: Terminal) -> tuple[str, str]:
    """The broker's address with an account that it takes, and where cabinets reach it."""
    for _ in range(TRIES):
        address = terminal.ask("Address of EMQX's API, https://…/api/v5, or of a broker, mqtts://…")
        wrong = broker.mistake(address)
        if not wrong:
            app = broker.is_emqx_api(address)
            name = terminal.ask("App ID of its API key" if app else "The cloud's account there")
            secret = terminal.ask_secret("App Secret" if app else "Its password")
            url = broker.with_account(address, name, secret)
            try:
                broker.check(url)
            except DeployError as error:
                wrong = str(error)
            else:
                terminal.say("The broker takes the account")
                return url, _cabinets_broker(terminal, address)
        terminal.say(wrong)
    raise DeployError("there is no broker that takes the account: run this again")


def _cabinets_broker(terminal: Terminal, address: str) -> str:
    for _ in range(TRIES):
        found = terminal.ask("Where cabinets reach it", broker.cabinets_address(address))
        wrong = broker.mistake(found)
        if not wrong and not broker.is_emqx_api(found):
            return found
        terminal.say(wrong or "cabinets speak MQTT: the address begins with mqtts://")
    raise DeployError("there is no address for the cabinets: run this again")


def _answer(terminal: Terminal, question: texts.Question) -> str:
    for _ in range(TRIES):
        text = terminal.ask(question.text, question.default)
        wrong = question.wrong(text)
        if not wrong:
            return text
        terminal.say(wrong)
    raise DeployError(f"{question.text}: no answer can be used; run this again")
