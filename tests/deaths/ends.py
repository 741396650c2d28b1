"""How a kernel ends, by what a front end does to it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from ..kernels import CELL_LIMIT, Kernel

BUSY = "print('busy', flush=True)\ntime.sleep(60)"


def make_busy(kernel: Kernel) -> str:
    """Begins a cell that is still running when this returns; its id."""
    cell = kernel.begin(BUSY)
    while True:
        message = kernel.client.get_iopub_msg(timeout=CELL_LIMIT)
        if message["msg_type"] == "stream" and message["parent_header"].get("msg_id") == cell:
            return cell


ENDS: dict[str, Callable[[Kernel], None]] = {
    "restart": lambda kernel: kernel.manager.restart_kernel(),
    "restart now": lambda kernel: kernel.manager.restart_kernel(now=True),
    "shutdown": lambda kernel: kernel.manager.shutdown_kernel(),
    "SIGKILL": lambda kernel: os.kill(kernel.pid, signal.SIGKILL),
    "killpg": lambda kernel: os.killpg(os.getpgid(kernel.pid), signal.SIGKILL),
}
