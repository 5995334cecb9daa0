"""The data folder and the start of a server: one at a time, private, nothing made by mistake, full disks told."""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from journeys.steps import INTERACTIONS_SCHEMA, Journey, interactions_csv
from support import ROLE, Server, clean_environment, settled, terminal, wait_for

SCRIPT = Path(sys.executable).with_name("tailorbird")


def tailorbird(*words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = clean_environment() | {f"TAILORBIRD_{name.upper()}": text for name, text in settings.items()}
    command = [sys.executable, "-m", "tailorbird", *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)


def said(ran: subprocess.CompletedProcess[str]) -> str:
    """What a command that could not do its work says: one line, and no traceback."""
    assert ran.returncode == 1, ran
    assert "Traceback" not in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1, ran.stderr
    return ran.stderr


def test_a_second_server_on_a_folder_is_refused(tmp_path: Path) -> None:
    server = Server(tmp_path / "data").start()
    try:
        told = said(tailorbird("serve", "--port", "0", "--data-dir", str(server.data_dir)))
        assert f"process {server.process.pid} at {server.url}" in told
        link = tmp_path / "link"
        link.symlink_to(server.data_dir)
        assert f"process {server.process.pid}" in said(tailorbird("serve", "--port", "0", "--data-dir", str(link)))
        assert tailorbird("jobs", "--data-dir", str(server.data_dir)).returncode == 0
    finally:
        server.kill()
    server.start()  # what a killed server leaves behind is no obstacle
    assert server.stop() == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "no.such.host.invalid", "192.0.2.1"])
def test_an_address_that_cannot_be_had_is_one_sentence(tmp_path: Path, host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = said(tailorbird("serve", "--host", host, "--port", str(port), "--data-dir", str(tmp_path / "data")))
    assert f"{host} port {port}" in told
    assert "--port" in told
    assert list(tmp_path.iterdir()) == [], "a server that does not start leaves nothing behind"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--data-dir", "/proc/none"), "/proc/none cannot be used: No such file"),
        (("--data-dir", "/etc/hostname"), "cannot be used: /etc/hostname is a file."),
        (("--data-dir", "/etc/hostname/data"), "cannot be used: /etc/hostname is a file."),
    ],
)
def test_other_places_that_cannot_be_had(tmp_path: Path, words: tuple[str, str], reason: str) -> None:
    assert reason in said(tailorbird("serve", "--port", "0", "--data-dir", str(tmp_path / "data"), *words))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [("env",), ("jobs",), ("check",), ("job", "arn:x"), ("metrics", "arn:x")])
def test_only_serve_makes_an_installation(tmp_path: Path, words: tuple[str, ...]) -> None:
    told = said(terminal(*words, "--data-dir", str(tmp_path / "mistyped")))
    assert f"no installation in {tmp_path / 'mistyped'}" in told
    assert not (tmp_path / "mistyped").exists()
    said(terminal(*words, "--data-dir", str(tmp_path)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("start", [[sys.executable, "-m", "tailorbird"], [str(SCRIPT)]])
def test_the_line_that_a_server_prints_works_in_a_shell_that_knows_no_tailorbird(
    tmp_path: Path, start: list[str]
) -> None:
    folder = tmp_path / "it's my data"
    command = [*start, "serve", "--port", "0", "--data-dir", str(folder)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=clean_environment())
    assert server.stdout is not None
    try:
        url = server.stdout.readline().split()[-1]
        line = re.fullmatch(r"In another shell: (eval .*), then use any AWS SDK\.\n", server.stdout.readline())
        assert line is not None
        shell = ["sh", "-c", f"{line[1]}; echo $AWS_ENDPOINT_URL; {shlex.join(start)} jobs"]
        # The package's place is known to installed commands; a source tree beside them needs PYTHONPATH.
        bare = {"PATH": "/usr/bin:/bin", "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
        ran = subprocess.run(shell, capture_output=True, text=True, env=bare, cwd="/")
        assert ran.stdout.startswith(f"{url}\nThere are no jobs yet"), "commands find the folder from any other one"
        assert ran.stderr == ""
    finally:
        server.terminate()
        server.wait(120)
        server.stdout.close()
    ran = tailorbird("env", "--data-dir", str(folder))
    exported = {name: shlex.split(value)[0] for name, value in re.findall(r"^export (\w+)=(.*)$", ran.stdout, re.M)}
    assert exported == Server(folder).environment()
    assert f"export AWS_ENDPOINT_URL={url}\n" in ran.stdout
    assert ran.returncode == 0
    assert ran.stderr.startswith(f"warning: no server answers at {url}. Start it (")
    ran = tailorbird("jobs", "--data-dir", str(folder))
    assert ran.stdout.startswith("There are no jobs yet")
    for words in (("job", "arn:x"), ("metrics", "arn:aws:personalize:us-east-1:123456789012:solution/s/1")):
        ran = tailorbird(*words, "--data-dir", str(folder))
        assert (ran.returncode, ran.stdout) == (1, "")
        assert words[1] in ran.stderr


SIGNALLED = """
import os, signal, sys
from pathlib import Path
from tailorbird import config
from tailorbird.cli import server
import uvicorn
owner, name = {"dispatcher": (server.Dispatcher, "start"), "uvicorn": (uvicorn.Server, "run")}[sys.argv[2]]
begun = getattr(owner, name)
def start(*words, **more):
    os.kill(os.getpid(), getattr(signal, sys.argv[3]))
    return begun(*words, **more)
setattr(owner, name, start)
server.serve(config.load({}, data_dir=Path(sys.argv[1]), port=0, workers=1))
server.leave()
"""
"""A server that is told to stop at one moment of its start."""


@pytest.mark.parametrize(
    ("moment", "number"),
    [("dispatcher", "SIGTERM"), ("uvicorn", "SIGINT")],
)
def test_a_server_that_is_told_to_stop_while_it_starts_stops(tmp_path: Path, moment: str, number: str) -> None:
    words = [sys.executable, "-c", SIGNALLED, str(tmp_path / "data"), moment, number]
    ran = subprocess.run(words, capture_output=True, text=True, env=clean_environment(), timeout=60)
    assert ran.returncode == 0, ran.stderr
    assert '"message":"stopped"' in ran.stderr


def test_clients_get_a_url_that_they_can_use(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", host="0.0.0.0").start()
    try:
        assert server.url.startswith("http://127.0.0.1:")
        assert server.environment()["AWS_ENDPOINT_URL"] == server.url
    finally:
        server.stop()
    server = Server(tmp_path / "data", public_url="https://recommend.example.com").start()
    try:
        assert server.environment()["AWS_ENDPOINT_URL"] == "https://recommend.example.com"
    finally:
        server.stop()
    refused = tailorbird("serve", "--data-dir", str(tmp_path / "data"), public_url="recommend.example.com/x")
    assert refused.returncode == 2
    assert "TAILORBIRD_PUBLIC_URL" in refused.stderr


def test_files_are_the_owners_alone_and_exports_are_their_readers(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir(mode=0o755)
    (tmp_path / "files").chmod(0o755)
    server = Server(tmp_path / "data", file_roots=tmp_path / "files").start()
    way = Journey(server, "private")
    way.s3.create_bucket(Bucket="private")
    way.s3.put_object(Bucket="private", Key="clicks.csv", Body=interactions_csv())
    way.arns["group"] = way.personalize.create_dataset_group(name="private")["datasetGroupArn"]
    way.dataset("INTERACTIONS", INTERACTIONS_SCHEMA)
    job = way.personalize.create_dataset_import_job(
        jobName="j", datasetArn=way.arns["INTERACTIONS"], dataSource={"dataLocation": "s3://private/"}, roleArn=ROLE
    )
    ended = settled(way.personalize.describe_dataset_import_job, "datasetImportJob", **only(job, "datasetImportJobArn"))
    assert ended["status"] == "ACTIVE", ended
    job = way.personalize.create_dataset_export_job(
        jobName="e",
        datasetArn=way.arns["INTERACTIONS"],
        roleArn=ROLE,
        jobOutput={"s3DataDestination": {"path": f"file://{tmp_path}/files/out/deep/"}},
    )
    ended = settled(way.personalize.describe_dataset_export_job, "datasetExportJob", **only(job, "datasetExportJobArn"))
    assert ended["status"] == "ACTIVE", ended
    assert {mode(path) & 0o055 for path in (tmp_path / "files").rglob("*") if path.is_dir()} == {0o055}
    assert {mode(path) for path in (tmp_path / "files").rglob("*") if path.is_file()} == {0o644}
    assert open_to_others(server.data_dir) == []
    server.stop()
    for path in [server.data_dir, *server.data_dir.rglob("*")]:
        path.chmod(mode(path) | 0o044)  # as earlier versions left them
    (server.data_dir / "note.txt").write_text("not ours")
    (server.data_dir / "note.txt").chmod(0o644)
    server.start()
    server.stop()
    assert open_to_others(server.data_dir) == [server.data_dir / "note.txt"]
    assert "made private" in Path(server.log.name).read_text()


def only(answer: dict[str, Any], name: str) -> dict[str, str]:
    return {name: answer[name]}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def open_to_others(folder: Path) -> list[Path]:
    return [path for path in [folder, *folder.rglob("*")] if mode(path) & 0o077]


def probe(server: Server, path: str) -> tuple[int, dict[str, Any]]:
    try:
        with urllib.request.urlopen(server.url + path) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of 24 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def stuff(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def test_a_full_disk_is_told_and_passes(small_disk: Path) -> None:
    server = Server(small_disk / "data", disk_reserve=1 << 20).start()
    client, s3 = server.client("personalize"), server.client("s3")
    s3.create_bucket(Bucket="full")
    assert probe(server, "/readyz") == (200, {"status": "ok"})
    stuffing = small_disk / "stuffing"
    with pytest.raises(OSError, match="No space left"):
        stuff(stuffing)
    status, told = wait_for(lambda: found if (found := probe(server, "/readyz"))[0] == 503 else None)
    assert "no space left" in str(told["reasons"]), status
    assert probe(server, "/healthz")[0] == 200

    def create() -> ClientError | None:
        """SQLite has some room left in its files."""
        try:
            client.create_schema(name=os.urandom(8).hex(), schema=json.dumps(INTERACTIONS_SCHEMA))
        except ClientError as error:
            return error
        return None

    with pytest.raises(ClientError) as refused:
        s3.put_object(Bucket="full", Key="k", Body=bytes(5 << 20))
    for error in (wait_for(create), refused.value):
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 503, error
    assert "no space left in" in str(wait_for(create))
    log = Path(server.log.name).read_text()
    assert "internal error" not in log
    stuffing.unlink()
    wait_for(lambda: probe(server, "/readyz")[0] == 200)
    client.create_schema(name="after", schema=json.dumps(INTERACTIONS_SCHEMA))
    server.stop()


def test_readiness_tells_a_store_that_cannot_be_read(tmp_path: Path) -> None:
    server = Server(tmp_path / "data").start()
    assert probe(server, "/readyz") == (200, {"status": "ok"})
    for name in ("tallies.db", "tallies.db-wal", "tallies.db-shm"):
        if (server.data_dir / name).exists():
            with (server.data_dir / name).open("r+b") as file:
                file.truncate(0)
                file.write(b"no database at all" * 1000)
    status, told = wait_for(lambda: found if (found := probe(server, "/readyz"))[0] == 503 else None)
    assert (status, told["status"]) == (503, "not ready")
    assert any("metrics" in reason for reason in told["reasons"])
    server.kill(workers=True)
