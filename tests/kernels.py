"""Real kernels for tests, by jupyter_client."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from queue import Empty
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

CELL_LIMIT = 30.0  # s


class Kernel:
    """A kernel of its own, asked cell by cell.

    Args:
        environment: what it has in its environment beside what this process has.
        errors: takes its standard error; this process's own where not given.
    """

    def __init__(self, environment: dict[str, str] | None = None, errors: int | None = None) -> None:
        self.manager = KernelManager(kernel_name="python3")
        self.manager.start_kernel(env={**os.environ, **(environment or {})}, stderr=errors)
        self.client: BlockingKernelClient = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=CELL_LIMIT)

    @property
    def pid(self) -> int:
        """Its process."""
        return int(getattr(self.manager.provisioner, "pid"))  # noqa: B009 (only local kernels have one)

    def run(self, code: str) -> str:
        """What a cell printed; its error is an error here."""
        return self.result(self.begin(code))

    def shown(self, code: str) -> str:
        """All that a cell put out."""
        return self.output(self.begin(code))

    def begin(self, code: str) -> str:
        """Begins a cell; its message's id."""
        return str(self.client.execute(code))

    def result(self, cell: str) -> str:
        """What that cell printed, once it has ended; its error is an error here."""
        printed: list[str] = []
        failure = ""
        for kind, content in self._messages(cell):
            if kind == "stream":
                printed.append(content["text"])
            elif kind == "error":
                failure = f"{content['ename']}: {content['evalue']}"
        if failure:
            raise RuntimeError(failure)
        return "".join(printed).strip()

    def output(self, cell: str) -> str:
        """All that this cell put out, once it has ended: text, results, tracebacks."""
        return "".join(
            json.dumps(content, ensure_ascii=False) for kind, content in self._messages(cell) if kind != "execute_input"
        )

    def _messages(self, cell: str) -> Iterator[tuple[str, dict[str, Any]]]:
        while True:
            try:
                message: dict[str, Any] = self.client.get_iopub_msg(timeout=CELL_LIMIT)
            except Empty:
                pytest.fail("the cell did not end")
            kind, content = message["msg_type"], message["content"]
            if message["parent_header"].get("msg_id") != cell:
                continue
            if kind == "status" and content["execution_state"] == "idle":
                return
            yield kind, content

    def close(self) -> None:
        """Ends it, and lets go of all that it took here."""
        self.client.stop_channels()
        if self.manager.is_alive():
            self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()
        context = self.manager.context
        if context is not None:
            context.destroy()
