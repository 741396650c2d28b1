"""`python -m tests.hosts`: makes the environments of all hosts that are not there yet, side by side."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from .every import HOSTS

environments = {host.environment for host in HOSTS.values() if host.environment is not None}
with ThreadPoolExecutor() as threads:
    for _ in threads.map(lambda environment: environment.make(), environments):
        pass
for environment in sorted(environments, key=lambda environment: environment.name):
    print(environment.folder)
