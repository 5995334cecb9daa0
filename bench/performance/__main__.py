"""Makes docs/reference/performance.md, its plots and the README's line from the kept results.

PYTHONPATH=src:bench python -m performance
"""

from __future__ import annotations

from pathlib import Path

from performance import report

report.write(Path.cwd())
