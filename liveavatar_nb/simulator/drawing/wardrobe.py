"""The clothes of the gallery's avatars."""

from __future__ import annotations

from typing import Final

from .colours import darker, lighter
from .looks import Look

# the outline of the shoulders, with a placeholder for the neck opening
SHOULDERS: Final = (
    "M-312 720C-310 622-262 582-176 558C-128 546-88 538-66 516{opening}66 516"
    "C88 538 128 546 176 558C262 582 310 622 312 720Z"
)
OPENINGS: Final = {
    "crew": "C-56 566 56 566 ",
    "hoodie": "C-62 576 62 576 ",
    "vneck": "L0 636 ",
    "shirt": "L0 596 ",
    "blazer": "L0 690 ",
    "turtleneck": "C-50 540 50 540 ",
}


def clothes(look: Look) -> str:
    """Return an avatar's clothes as SVG, with folds and a collar."""
    body = f"<path d='{SHOULDERS.format(opening=OPENINGS[look.clothes])}' fill='url(#top)'/>"
    fold = darker(look.top, 0.28)
    sleeves = (
        f"<path d='M-214 720C-212 682-206 660-196 640M214 720C212 682 206 660 196 640' fill='none' "
        f"stroke='{fold}' stroke-width='5' stroke-linecap='round' opacity='.6'/>"
    )
    return _beneath(look) + body + sleeves + _collar(look, fold)


def _beneath(look: Look) -> str:
    if look.clothes != "blazer":
        return ""
    shirt, edge = ("#f7f7fa", "#d5d8e2") if look.soft else ("#fdfdfe", "#cfd5e3")
    if look.soft:
        return (
            f"<path d='M-70 520C-58 590 58 590 70 520L110 720H-110Z' fill='{shirt}' stroke='{edge}' stroke-width='3'/>"
        )
    return (
        f"<path d='M-70 512L0 590 70 512 110 720H-110Z' fill='{shirt}'/>"
        f"<path d='M-60 498L-78 540-30 588 0 552ZM60 498L78 540 30 588 0 552Z' fill='{shirt}' stroke='{edge}' "
        "stroke-width='3' stroke-linejoin='round'/>"
    )


def _collar(look: Look, fold: str) -> str:
    light = lighter(look.top, 0.16)
    if look.clothes == "blazer":
        lapel = (
            f"<path d='M66 514L96 542 126 612 92 626 104 646 0 714V690Z' fill='{light}' stroke='{fold}' "
            "stroke-width='3' stroke-linejoin='round'/>"
        )
        return f"{lapel}<g transform='scale(-1 1)'>{lapel}</g>"
    if look.clothes == "shirt":
        wing = (
            f"<path d='M58 494L84 536 40 602 0 566Z' fill='{light}' stroke='{fold}' stroke-width='3' "
            "stroke-linejoin='round'/>"
        )
        buttons = "".join(f"<circle cy='{y}' r='5' fill='#fff' opacity='.8'/>" for y in (634, 678))
        return (
            f"{wing}<g transform='scale(-1 1)'>{wing}</g>"
            f"<path d='M0 596V720' stroke='{fold}' stroke-width='3'/>{buttons}"
        )
    if look.clothes == "turtleneck":
        return (
            f"<path d='M-60 476C-40 492 40 492 60 476L68 536C40 560-40 560-68 536Z' fill='{light}'/>"
            f"<path d='M-66 528C-40 550 40 550 66 528' fill='none' stroke='{fold}' stroke-width='4' opacity='.7'/>"
        )
    if look.clothes == "hoodie":
        return (
            f"<path d='M-70 506C-116 536-110 566-66 580C-30 592 30 592 66 580C110 566 116 536 70 506"
            f"C60 566-60 566-70 506Z' fill='{light}' stroke='{fold}' stroke-width='3'/>"
            "<path d='M-30 586V656M30 586V646' stroke='#f4f4f5' stroke-width='6' stroke-linecap='round'/>"
        )
    edge = "M-66 516L0 636 66 516" if look.clothes == "vneck" else "M-66 516C-56 566 56 566 66 516"
    return (
        f"<path d='{edge}' fill='none' stroke='{light}' stroke-width='13' stroke-linecap='round' "
        f"stroke-linejoin='round'/>"
    )
