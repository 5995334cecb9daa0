"""The README's example runs as it is printed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from journeys.steps import interactions_csv
from support import Server, clean_environment

README = Path(__file__).parents[1] / "README.md"


def test_the_example(server: Server, tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.S)
    (tmp_path / "clicks.csv").write_bytes(interactions_csv())
    environment = clean_environment() | server.environment()
    subprocess.run([sys.executable, "-c", example], cwd=tmp_path, env=environment, check=True)
    (job,) = server.client("personalize").list_dataset_import_jobs()["datasetImportJobs"]
    assert job["status"] == "ACTIVE"
