"""All protocols, in the order in which their results are shown."""

from __future__ import annotations

from quality import p1, p2, p3, p4, p4d, p5, p6, p7, p8
from quality.protocol import Protocol

PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol for module in (p1, p2, p3, p4, p4d, p5, p6, p7, p8) for protocol in module.PROTOCOLS
}
"""By name."""
