"""Makes and removes accounts and rules over the API of an EMQX deployment.

Sources: https://docs.emqx.com/en/cloud/latest/api/auth_v5.html, …/acl_v5.html, …/clients_v5.html.
EMQX looks at the rules of a client id first, then at those of an account, then at those for all
(``apps/emqx_auth_mnesia/src/emqx_authz_mnesia.erl``): with ``${username}`` in the rules for all,
one list serves every cabinet.
"""

from __future__ import annotations

from urllib.parse import quote

from cloud.adapters.emqx_api import EmqxApi, EmqxFailed
from cloud.core.broker_rules import DENY_ALL, READ, WRITE, Rule, of_cabinet

USERS = f"authentication/{quote('password_based:built_in_database', safe='')}/users"
RULES_FOR_ALL = "authorization/sources/built_in_database/rules/all"
ACTIONS = {READ: "subscribe", WRITE: "publish", "all": "all"}


class ForeignRules(Exception):
    """The deployment has other rules for all users, which are not replaced unasked."""


class EmqxAccounts:
    """The accounts of one deployment. Everything may be done again, and raises
    :class:`~cloud.adapters.emqx_api.EmqxFailed`."""

    def __init__(self, api: EmqxApi) -> None:
        self._api = api

    def ensure_rules(self) -> bool:
        """Makes the rules for all users, with deny-all last, if there are none; returns whether
        it did. Raises :class:`ForeignRules` if there are others."""
        wanted = [_rule(rule) for rule in (*of_cabinet("${username}"), DENY_ALL)]
        answer = self._api.call("GET", RULES_FOR_ALL, wanted=(200, 404))
        body = answer.body if answer.status == 200 else {}
        listed = body.get("rules") if isinstance(body, dict) else None
        there = [
            {name: str(rule.get(name)) for name in ("topic", "action", "permission")}
            for rule in (listed if isinstance(listed, list) else [])
            if isinstance(rule, dict)
        ]
        if there == wanted:
            return False
        if there:
            raise ForeignRules
        self._api.call("POST", RULES_FOR_ALL, {"rules": wanted}, wanted=(200, 201, 204))
        return True

    def put(self, name: str, password: str) -> None:
        """Makes an account; or gives it another password, and ends what connected with the old."""
        made = self._api.call(
            "POST", USERS, {"user_id": name, "password": password}, wanted=(201, 409)
        )
        if made.status == 409:
            self._api.call("PUT", _user(name), {"password": password}, wanted=(200, 204))
            self._end_connections(name)

    def remove(self, name: str) -> None:
        """Takes an account away, if it is there, and ends its connections and sessions."""
        self._delete(_user(name))
        self._end_connections(name)

    def _end_connections(self, name: str) -> None:
        """Also those under another client id than the cabinet's: a thief may have any."""
        answer = self._api.call("GET", f"clients?username={quote(name, safe='')}&_limit=100")
        listed = answer.body.get("data") if isinstance(answer.body, dict) else None
        for client in listed if isinstance(listed, list) else []:
            if isinstance(client, dict) and client.get("username") == name:
                self._delete(f"clients/{quote(str(client.get('clientid')), safe='')}")

    def _delete(self, path: str) -> None:
        answer = self._api.call("DELETE", path, wanted=(204, 404))
        if answer.status == 404 and not _is_gone(answer.body):
            raise EmqxFailed(
                "a 404 came that does not say what is not there: look whether the address is that "
                "of the deployment's API, and in EMQX's console whether the deployment runs",
                404,
            )

    def close(self) -> None:
        """Ends the connection."""
        self._api.close()


def _rule(rule: Rule) -> dict[str, str]:
    return {
        "topic": rule.topic,
        "action": ACTIONS[rule.action],
        "permission": "allow" if rule.allow else "deny",
    }


def _user(name: str) -> str:
    return f"{USERS}/{quote(name, safe='')}"


def _is_gone(body: object) -> bool:
    """Whether a 404 says that this account or client is not there: whatever stands between may say
    404 too, and so does EMQX of a call that the deployment does not have."""
    if not isinstance(body, dict):
        return False
    code, message = str(body.get("code")), str(body.get("message"))
    return code.endswith("NOT_FOUND") and "path" not in message.lower()
