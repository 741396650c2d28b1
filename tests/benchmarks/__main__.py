"""`python -m tests.benchmarks`: ratios from one run, with the aims. Exit code 1 where one was missed."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

import liveavatar_nb

from . import answers, bundle, calls, cpu, deaths, gallery, imports, live, requests, sound, speech

print(f"Python {platform.python_version()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.2f}")
print(f"liveavatar_nb of {Path(liveavatar_nb.__file__).parent}")
of_calls = calls, imports, answers, requests, sound, speech, deaths
of_pages = bundle, live, gallery, cpu
met = [module.report() for module in (*of_calls, *of_pages)]
sys.exit(0 if all(met) else 1)
