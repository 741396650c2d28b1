"""Runs a program, and ends it with whoever started this: at the end of standard input, or with this process.

Started by its path, with nothing but the standard library: ``python -I keeper.py PROGRAM ARGUMENTS...``
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading

PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """In the program's process before it runs: where this keeper is killed, Linux kills the program."""
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
        # SIGKILL: LiveKit's server hangs where SIGTERM comes right after it began to answer
        program.kill()

    threading.Thread(target=until_end_of_pipe, daemon=True).start()
    code = program.wait()
    # at once: the thread may wait for the pipe still
    os._exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
