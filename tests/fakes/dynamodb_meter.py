"""A client of DynamoDB that counts what AWS would bill for its calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.bill import dynamodb_units as units
from cloud.stores.dynamodb_client import DynamoDBClient
from cloud.stores.dynamodb_table import INDEXES


class DynamoDBMeter(DynamoDBClient):
    """Looks at each item before and after a write, in calls of its own that do not count."""

    calls = 0
    read_units = 0.0
    write_units = 0
    stored_bytes = 0

    def call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        self.calls += 1
        if operation in ("PutItem", "UpdateItem"):
            return self._write(operation, request)
        answer = super().call(operation, request)
        match operation:
            case "GetItem":
                self.read_units += units.of_consistent_read(answer.get("Item"))
            case "BatchGetItem":
                [asked] = request["RequestItems"].values()
                [found] = answer["Responses"].values()
                self.read_units += sum(units.of_consistent_read(item) for item in found)
                self.read_units += len(asked["Keys"]) - len(found)
            case "Query":
                self.read_units += units.of_index_query(answer["Items"])
        return answer

    def _write(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        key = request.get("Key") or {"pk": request["Item"]["pk"]}
        before = self._look(request["TableName"], key)
        try:
            return super().call(operation, request)
        finally:
            after = self._look(request["TableName"], key)
            self.write_units += units.of_write(before, after)
            self.stored_bytes += _stored(after) - _stored(before)

    def _look(self, table: str, key: Mapping[str, Any]) -> Mapping[str, Any] | None:
        request = {"TableName": table, "Key": key, "ConsistentRead": True}
        found = super().call("GetItem", request).get("Item")
        return found if isinstance(found, dict) else None


def _stored(item: Mapping[str, Any] | None) -> int:
    """Bytes that are kept of an item, with the 100 that DynamoDB adds to it and to each entry."""
    entries = (units.entry(index, item) for index in INDEXES)
    return sum(100 + units.size(found) for found in (item, *entries) if found)
