"""`HOSTS`: every host that the tests know."""

from __future__ import annotations

from typing import Final

from .environment import Environment
from .host import Host
from .jupyter import Classic, Lab, Voila
from .marimo import Marimo

IPYKERNEL: Final = "ipykernel==7.4.0"
MARIMO: Final = Environment("marimo", "marimo==0.25.2")

HOSTS: Final[dict[str, Host]] = {
    host.name: host
    for host in (
        Lab("jupyterlab", None),
        Lab("jupyterlab-4.2", Environment("jupyterlab-4.2", "jupyterlab==4.2.7", IPYKERNEL)),
        Lab("ipykernel-6", Environment("ipykernel-6", "jupyterlab==4.6.6", "ipykernel==6.31.0")),
        Classic("nbclassic", Environment("nbclassic", "nbclassic==1.3.3", IPYKERNEL)),
        Voila("voila", Environment("voila", "voila==0.5.13", IPYKERNEL)),
        Marimo("marimo-edit", MARIMO, "edit"),
        Marimo("marimo-run", MARIMO, "run"),
    )
}
