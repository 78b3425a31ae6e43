"""JSON's values ⇄ DynamoDB's, and the expression that changes an item."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloud.stores.base import DamagedRecord

Value = dict[str, Any]  # one of DynamoDB's: {"S": "text"}, {"N": "1"}, …


def to_value(value: Any) -> Value:
    """A value that JSON knows, without fractions, as DynamoDB writes it."""
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case int():
            return {"N": str(value)}
        case str():
            return {"S": value}
        case list() | tuple():
            return {"L": [to_value(one) for one in value]}
        case Mapping():
            return {"M": {name: to_value(one) for name, one in value.items()}}
    raise TypeError(f"DynamoDB keeps no {type(value).__name__}")


def from_value(value: Mapping[str, Any]) -> Any:
    """A value of DynamoDB as JSON has it; what this program never writes raises
    :class:`DamagedRecord`."""
    try:
        [(kind, content)] = value.items()
        match kind:
            case "NULL":
                return None
            case "BOOL" | "S":
                return content
            case "N":
                return int(content)
            case "L":
                return [from_value(one) for one in content]
            case "M":
                return {name: from_value(one) for name, one in content.items()}
    except (ValueError, AttributeError) as error:
        raise DamagedRecord(f"a record of the ledger is damaged: {error}") from error
    raise DamagedRecord(f"a record of the ledger is damaged: it holds a value of type {kind}")


class Change:
    """An UpdateItem in the making: what is set, what is removed, and under which condition.

    No name or value stands in an expression itself, so that none can be a word of DynamoDB's.
    """

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._values: dict[str, Value] = {}
        self._set: list[str] = []
        self._remove: list[str] = []
        self._conditions: list[str] = []

    def set(self, value: Any, *path: str) -> None:
        """Sets an attribute, or what lies in it at ``path``."""
        self._set.append(f"{self._path(path)} = {self._value(value)}")

    def set_or_remove(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        """Sets the attributes that are different in ``new``, and removes those that are ``None``
        there."""
        for name, value in new.items():
            if name in old and old[name] == value:
                continue
            if value is None:
                self._remove.append(self._path((name,)))
            else:
                self.set(value, name)

    def set_difference(self, old: Mapping[str, Any], new: Mapping[str, Any], *path: str) -> None:
        """Sets what is different in ``new``, and nothing that neither knows."""
        for name, value in new.items():
            before = old.get(name)
            if name in old and type(value) is type(before) and value == before:
                continue
            if isinstance(value, Mapping) and isinstance(before, Mapping):
                self.set_difference(before, value, *path, name)
            else:
                self.set(value, *path, name)

    def if_equal(self, name: str, value: Any) -> None:
        """Only if the attribute has this value."""
        self._conditions.append(f"{self._path((name,))} = {self._value(value)}")

    def if_missing(self, name: str) -> None:
        """Only if there is no such attribute."""
        self._conditions.append(f"attribute_not_exists({self._path((name,))})")

    def if_missing_or_at_most(self, name: str, value: int) -> None:
        """Only if the attribute is missing, or not above ``value``."""
        path = self._path((name,))
        self._conditions.append(f"(attribute_not_exists({path}) OR {path} <= {self._value(value)})")

    def request(self) -> dict[str, Any]:
        """The parts of UpdateItem's request that say all this."""
        parts = [
            f"{word} {', '.join(clauses)}"
            for word, clauses in (("SET", self._set), ("REMOVE", self._remove))
            if clauses
        ]
        return {
            "UpdateExpression": " ".join(parts),
            "ConditionExpression": " AND ".join(self._conditions),
            "ExpressionAttributeNames": {sign: name for name, sign in self._names.items()},
            "ExpressionAttributeValues": self._values,
        }

    def _path(self, path: tuple[str, ...]) -> str:
        return ".".join(self._names.setdefault(name, f"#{len(self._names)}") for name in path)

    def _value(self, value: Any) -> str:
        sign = f":{len(self._values)}"
        self._values[sign] = to_value(value)
        return sign
