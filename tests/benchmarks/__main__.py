"""`python -m tests.benchmarks [NAME ...]`: ratios from one run, with the aims. Exit code 1 where one was missed.

NAME is a module beside this one; without any, all of them run, one after another.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path

import liveavatar_nb

from ..launch import heed_signals
from . import answers, bundle, calls, cpu, deaths, downloads, gallery, imports, live, requests, sound, speech
from .packages import NotInstalled

OF_CALLS = calls, imports, answers, requests, sound, speech, deaths
OF_PAGES = bundle, downloads, live, gallery, cpu
REPORTS: dict[str, Callable[[], bool]] = {
    module.__name__.rpartition(".")[2]: module.report for module in (*OF_CALLS, *OF_PAGES)
}


def _report(name: str) -> bool:
    try:
        return REPORTS[name]()
    except NotInstalled as missing:
        print(f"\n{name}: not measured. {missing}")
        return False


heed_signals()
names = sys.argv[1:] or list(REPORTS)
if unknown := [name for name in names if name not in REPORTS]:
    sys.exit(f"No benchmark {', '.join(unknown)}. There are: {', '.join(REPORTS)}.")
print(f"Python {platform.python_version()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.2f}")
print(f"liveavatar_nb of {Path(liveavatar_nb.__file__).parent}")
met = [_report(name) for name in names]
sys.exit(0 if all(met) else 1)
