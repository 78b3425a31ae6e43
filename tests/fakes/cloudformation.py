"""CloudFormation on loopback, as far as a deployment asks it: stacks that come, change and go.

Answers and errors are those of
https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStacks.html,
…/API_GetTemplate.html and …/API_DeleteStack.html. What ``sam deploy`` does comes in as ``/deploy``.
The resources themselves are made by a callback.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

XMLNS = "http://cloudformation.amazonaws.com/doc/2010-05-15/"


@dataclass
class Stack:
    """One stack; ``seen`` statuses are told first, one each time it is asked for."""

    name: str
    status: str
    template: str
    parameters: dict[str, str]
    tags: dict[str, str]
    outputs: dict[str, str] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)


class CloudFormation:
    """The service. ``make`` and ``unmake`` do what a stack's resources are."""

    def __init__(
        self, make: Callable[[Stack], dict[str, str]], unmake: Callable[[Stack], None]
    ) -> None:
        self.stacks: dict[str, Stack] = {}
        self.fails: list[str] = []  # statuses that the next deployments end with, beside success
        self._make = make
        self._unmake = unmake
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                if self.path == "/deploy":
                    status, answer = service.deploy(json.loads(body))
                else:
                    status, answer = service.answer(dict(parse_qsl(body)))
                sent = answer.encode()
                self.send_response(status)
                self.send_header("Content-Type", "text/xml")
                self.send_header("Content-Length", str(len(sent)))
                self.end_headers()
                self.wfile.write(sent)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        """Ends the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def deploy(self, asked: dict[str, Any]) -> tuple[int, str]:
        """What ``sam deploy`` makes of a template; parameters that are not named keep their
        values."""
        name = str(asked["name"])
        before = self.stacks.get(name)
        if before and before.status in ("ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS"):
            return 400, f"Stack {name} is in {before.status} state and can not be updated"
        if self.fails:
            status = self.fails.pop(0)
            if before:
                before.status = status
            else:
                self.stacks[name] = Stack(name, status, "", {}, {})
            return 400, f"Stack {name} ended with {status}"
        kept = before.parameters if before else {}
        stack = Stack(
            name,
            "UPDATE_COMPLETE" if before else "CREATE_COMPLETE",
            asked["template"],
            kept | asked["parameters"],
            asked["tags"],
        )
        stack.outputs = before.outputs if before else self._make(stack)
        self.stacks[name] = stack
        return 200, "done"

    def answer(self, asked: dict[str, str]) -> tuple[int, str]:
        """One call of the API."""
        name = asked.get("StackName", "")
        stack = self.stacks.get(name)
        if stack is None and asked["Action"] != "DeleteStack":
            return 400, _error(f"Stack with id {name} does not exist")
        match asked["Action"]:
            case "DescribeStacks":
                assert stack
                return 200, _result("DescribeStacks", f"<Stacks>{_member(stack)}</Stacks>")
            case "GetTemplate":
                assert stack
                body = f"<TemplateBody>{escape(stack.template)}</TemplateBody>"
                return 200, _result("GetTemplate", body)
            case "DeleteStack":
                if stack:
                    self._unmake(stack)
                    del self.stacks[name]
                return 200, _result("DeleteStack", "")
        return 400, _error("no such action")


def _member(stack: Stack) -> str:
    status = stack.seen.pop(0) if stack.seen else stack.status

    def pairs(kind: str, key: str, value: str, found: dict[str, str]) -> str:
        each = "".join(
            f"<member><{key}>{escape(k)}</{key}><{value}>{escape(v)}</{value}></member>"
            for k, v in found.items()
        )
        return f"<{kind}>{each}</{kind}>"

    return (
        f"<member><StackName>{stack.name}</StackName><StackId>arn:{stack.name}</StackId>"
        f"<CreationTime>2026-11-24T19:00:00Z</CreationTime><StackStatus>{status}</StackStatus>"
        + pairs("Outputs", "OutputKey", "OutputValue", stack.outputs)
        + pairs("Parameters", "ParameterKey", "ParameterValue", stack.parameters)
        + pairs("Tags", "Key", "Value", stack.tags)
        + "</member>"
    )


def _result(action: str, body: str) -> str:
    return (
        f'<{action}Response xmlns="{XMLNS}"><{action}Result>{body}</{action}Result>'
        f"<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></{action}Response>"
    )


def _error(message: str) -> str:
    return (
        f'<ErrorResponse xmlns="{XMLNS}"><Error><Type>Sender</Type><Code>ValidationError</Code>'
        f"<Message>{escape(message)}</Message></Error><RequestId>r</RequestId></ErrorResponse>"
    )
