"""Run a program, and kill it when standard input closes or this process exits.

This script is run by its path and uses only the standard library: ``python -I keeper.py PROGRAM ARGUMENTS...``
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading

PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Make Linux kill this process when its parent dies; called in the new process before the program starts."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> None:
    program = subprocess.Popen(
        sys.argv[1:],
        stdin=subprocess.DEVNULL,
        preexec_fn=die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 (no other thread yet)
    )

    def until_end_of_pipe() -> None:
        while os.read(0, 1024):
            pass
        # use SIGKILL, because LiveKit's server hangs if it receives SIGTERM right after becoming ready
        program.kill()

    threading.Thread(target=until_end_of_pipe, daemon=True).start()
    code = program.wait()
    # use os._exit instead of sys.exit, because the thread may still be blocked on the pipe
    os._exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
