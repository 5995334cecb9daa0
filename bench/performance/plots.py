"""Plots of curves, as SVG: the same bytes for the same figures and the same version of matplotlib."""

from __future__ import annotations

from pathlib import Path

from performance.results import Curve

SIZE = (7.0, 3.6)
"""Inches."""


def draw(curve: Curve, file: Path) -> None:
    """Writes the plot of a curve."""
    import matplotlib as mpl

    mpl.use("svg")
    import matplotlib.pyplot as plt

    with mpl.rc_context({"svg.hashsalt": curve.name, "svg.fonttype": "none", "font.size": 9}):
        figure, axes = plt.subplots(figsize=SIZE, layout="constrained")
        for name, points in curve.lines.items():
            axes.plot(*zip(*points, strict=True), marker="o", markersize=4, label=name)
        if curve.logarithmic:
            axes.set(xscale="log", yscale="log")
        else:
            axes.set_ylim(bottom=0)
        axes.set(title=curve.title, xlabel=curve.x, ylabel=curve.y)
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
        plt.close(figure)
