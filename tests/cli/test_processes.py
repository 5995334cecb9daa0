"""Several serving processes on one port: what one takes in the others know, and any may die."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError

from journeys.steps import Journey, items_csv
from support import Server, refused, wait_for
from tailorbird import config as configuration
from tailorbird.api import lookup
from tailorbird.cache import Cache, Remarks
from tailorbird.cli.sharing import Counts
from tailorbird.data.datasets import IMPRESSION
from tailorbird.jobs import leader
from tailorbird.workspace import open_workspace

EVENTS = int(os.environ.get("TAILORBIRD_LONG", "0")) * 980 + 20
"""Rounds of an event through one process and an answer of the other; 1,000 in a long run."""


def children(pid: int) -> list[int]:
    """The serving processes of a supervisor in the order of their start: the leader's is the first."""
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_there(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """The process does nothing inside the `with`, so that another one takes what comes."""
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_for(lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T")
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def lines(server: Server) -> list[dict[str, Any]]:
    """Of the log; Python itself warns in words of its own where a process was killed."""
    return [json.loads(line) for line in Path(server.log.name).read_text().splitlines() if line.startswith("{")]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of two processes."""
    server = Server(tmp_path_factory.mktemp("pair") / "data", processes=2).start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def sides(pair: Server) -> list[Server]:
    """The same server, twice: clients of the first talk to its leader, those of the second to the other process."""
    return [Side(pair, number) for number in range(2)]


class Side(Server):
    """One process of a server of two, whichever of them takes the connections of others."""

    def __init__(self, server: Server, number: int) -> None:
        vars(self).update(vars(server))
        self.number = number

    def client(self, service: str, **options: Any) -> Any:
        client = super().client(service, max_pool_connections=1, **options)
        # The connection stays: what takes it answers all that follows. No process needs the other for a wrong path.
        with stopped(children(self.process.pid)[1 - self.number]):
            client._endpoint.http_session.send(AWSRequest("GET", f"{self.url}/healthz").prepare())
        return client


@pytest.fixture(scope="module")
def journeys(sides: list[Server]) -> list[Journey]:
    """A campaign of the most popular items, as seen through either process."""
    first = Journey(sides[0], "pair")
    first.data()
    first.train("aws-popularity-count")
    first.deploy("aws-popularity-count")
    first.arns["tracker"] = first.tracker()
    first.filter("unseen", 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("*")')
    second = Journey(sides[1], "pair")
    second.arns = first.arns
    return [first, second]


def put(journey: Journey, user: str, item: str, **event: str) -> None:
    journey.events.put_events(
        trackingId=journey.arns["tracker"],
        userId=user,
        sessionId="s",
        eventList=[{"eventType": "click", "itemId": item, "sentAt": 1_600_000_000, **event}],
    )


def test_an_event_counts_in_the_next_answer_of_the_other_process(journeys: list[Journey]) -> None:
    for number in range(EVENTS):
        here, there = journeys[number % 2], journeys[(number + 1) % 2]
        asked = {"userId": f"u{number // 10}", "filterArn": here.arns["unseen"], "numResults": 1}
        (item,) = there.recommend("aws-popularity-count", **asked)
        put(here, asked["userId"], item)
        assert there.recommend("aws-popularity-count", **asked) != [item], number


def test_an_event_names_an_answer_that_the_other_process_gave_just_now(pair: Server, journeys: list[Journey]) -> None:
    shown = {}
    for number in range(EVENTS):
        here, there = journeys[number % 2], journeys[(number + 1) % 2]
        answer = there.runtime.get_recommendations(
            campaignArn=here.arns["aws-popularity-count"], userId="namer", numResults=2
        )
        listed = [item["itemId"] for item in answer["itemList"]]
        put(here, f"namer{number}", listed[0], recommendationId=answer["recommendationId"])
        shown[f"namer{number}"] = "|".join(listed)
    workspace = open_workspace(configuration.load({}, data_dir=pair.data_dir))
    document = workspace.catalogue.get(journeys[0].arns["INTERACTIONS"])
    assert document is not None
    place = lookup.dataset(workspace, document).place
    kept = {event.subject: event.row.get(IMPRESSION) for event in workspace.live.all(place) if event.subject in shown}
    workspace.close()
    assert kept == shown


def test_documents_and_records_of_one_process_hold_in_the_other(journeys: list[Journey]) -> None:
    here, there = journeys
    arn = here.personalize.create_filter(
        name="late",
        datasetGroupArn=here.arns["group"],
        filterExpression='INCLUDE ItemID WHERE Items.GENRE IN ("Newest")',
    )["filterArn"]
    asked: dict[str, Any] = {"userId": "1", "filterArn": arn}
    assert there.recommend("aws-popularity-count", **asked) == here.recommend("aws-popularity-count", **asked) == []
    (popular,) = there.recommend("aws-popularity-count", userId="1", numResults=1)
    here.events.put_items(
        datasetArn=here.arns["ITEMS"],
        items=[{"itemId": popular, "properties": json.dumps({"genre": "Newest", "year": 2000})}],
    )
    assert there.recommend("aws-popularity-count", **asked) == [popular]
    there.personalize.delete_filter(filterArn=arn)
    wait_for(lambda: _fails(lambda: here.recommend("aws-popularity-count", **asked)))
    version = here.arns["aws-popularity-count version"]
    created = here.personalize.create_campaign(name="second", solutionVersionArn=version)["campaignArn"]
    wait_for(lambda: there.personalize.describe_campaign(campaignArn=created)["campaign"]["status"] == "ACTIVE")
    assert there.runtime.get_recommendations(campaignArn=created, userId="1")["itemList"]


def _fails(call: Callable[[], object]) -> bool:
    try:
        call()
    except ClientError:
        return True
    return False


def test_s3_is_the_same_through_both(sides: list[Server]) -> None:
    first, second = (side.client("s3") for side in sides)
    second.create_bucket(Bucket="both")
    body = os.urandom(9 << 20)
    second.put_object(Bucket="both", Key="ä/ large", Body=body, Metadata={"made": "here"})
    found = first.get_object(Bucket="both", Key="ä/ large")
    assert (found["Body"].read(), found["Metadata"]) == (body, {"made": "here"})
    first.put_object(Bucket="both", Key="small", Body=b"text")
    assert second.get_object(Bucket="both", Key="small", Range="bytes=1-2")["Body"].read() == b"ex"
    assert [each["Key"] for each in second.list_objects_v2(Bucket="both")["Contents"]] == ["small", "ä/ large"]
    with pytest.raises(second.exceptions.NoSuchKey):
        second.get_object(Bucket="both", Key="none")
    refused("InvalidBucketName", "not valid", second.create_bucket, Bucket="a..b")
    refused("SignatureDoesNotMatch", "", sides[1].client("s3", aws_secret_access_key="wrong").list_buckets)


def test_keys_of_iam_and_sts_are_good_in_both_until_they_are_deleted(sides: list[Server]) -> None:
    iam = sides[0].client("iam")
    iam.create_user(UserName="ann")
    made = iam.create_access_key(UserName="ann")["AccessKey"]
    own = {"aws_access_key_id": made["AccessKeyId"], "aws_secret_access_key": made["SecretAccessKey"]}
    theirs = [side.client("personalize", **own) for side in sides]
    for client in theirs:
        client.list_schemas()
    told = sides[1].client("sts", **own).get_caller_identity()
    assert told["Arn"].endswith(":user/ann")
    iam.update_access_key(UserName="ann", AccessKeyId=made["AccessKeyId"], Status="Inactive")
    refused("UnrecognizedClientException", "inactive", theirs[0].list_schemas)
    wait_for(lambda: _fails(theirs[1].list_schemas), seconds=10)
    iam.update_access_key(UserName="ann", AccessKeyId=made["AccessKeyId"], Status="Active")
    wait_for(lambda: not _fails(theirs[1].list_schemas), seconds=10)
    sides[1].client("iam").delete_access_key(UserName="ann", AccessKeyId=made["AccessKeyId"])
    for client in theirs:  # at once, where the deletion came in as in the leader
        refused("UnrecognizedClientException", "", client.list_schemas)
    wrong = {"aws_access_key_id": "AKIAAAAAAAAAAAAAAAAA", "aws_secret_access_key": "x"}
    refused("UnrecognizedClientException", "", sides[1].client("personalize", **wrong).list_schemas)


def test_only_its_owner_can_ask_the_leader(pair: Server) -> None:
    assert (pair.data_dir / leader.SOCKET).stat().st_mode & 0o777 == 0o600


def test_a_process_that_is_killed_comes_back_and_the_other_serves_on(journeys: list[Journey], pair: Server) -> None:
    journeys[0].s3.put_object(Bucket=journeys[0].bucket, Key="kept", Body=b"text")
    expected = journeys[0].recommend("aws-popularity-count", userId="1")
    for number in (1, 0):
        before = children(pair.process.pid)
        victim = before[number] if number else min(before)
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda victim=victim: not is_there(victim))  # type: ignore[misc]
        afresh = Journey(pair, "pair")
        afresh.arns = journeys[0].arns
        assert afresh.recommend("aws-popularity-count", userId="1") == expected
        wait_for(lambda before=before: len({*children(pair.process.pid), *before}) == 3, 60)  # type: ignore[misc]
        wait_for(lambda: _ready(pair))
    told = [line for line in lines(pair) if "started again" in line["message"]]
    assert [(line["number"], line["status"]) for line in told] == [(1, -9), (0, -9)]
    after = Journey(pair, "pair")
    after.arns = journeys[0].arns
    assert after.s3.get_object(Bucket=after.bucket, Key="kept")["Body"].read() == b"text"
    load = after.import_job("ITEMS", items_csv(), "after", importMode="FULL")
    assert load["status"] == "ACTIVE", "jobs run after the leader was killed"


def _ready(server: Server) -> bool:
    try:
        with urllib.request.urlopen(f"{server.url}/readyz") as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError as error:
        error.close()
        return False


def test_what_is_told_once_is_told_once_by_all(pair: Server) -> None:
    assert sum(line["message"] == "ready" for line in lines(pair)) == 1


# --- Starting and ending ------------------------------------------------------------------------------------


@pytest.fixture
def three(tmp_path: Path) -> Iterator[Server]:
    """A server of three processes, in a folder whose name is too long for a socket's path."""
    server = Server(tmp_path / ("long" * 40) / "data", processes=3)
    server.data_dir.parent.mkdir()
    yield server.start()
    if server.process.poll() is None:
        server.stop()


def test_all_end_in_order_when_told_to(three: Server) -> None:
    pids = children(three.process.pid)
    assert len(pids) == 3
    three.client("s3").list_buckets()
    assert three.stop() == 0
    assert not any(map(is_there, pids))
    assert lines(three)[-1]["message"] == "stopped"
    assert not [line for line in lines(three) if line["level"] in ("WARNING", "ERROR")]
    assert not (three.data_dir / leader.SOCKET).exists()


def test_nothing_is_left_when_the_parent_is_killed_and_the_next_server_starts_at_once(three: Server) -> None:
    pids = children(three.process.pid)
    workers = [each for pid in pids for each in children(pid)]
    three.kill()
    three.start()
    wait_for(lambda: not any(map(is_there, [*pids, *workers])))
    three.client("personalize").list_schemas()


def test_two_processes_over_ipv6_refuse_a_port_that_is_taken(tmp_path: Path) -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    server = Server(tmp_path / "data", processes=2, host="::1").start()
    try:
        assert server.url.startswith("http://[::1]:")
        server.client("personalize").list_schemas()
        command = ["serve", "--processes", "2", "--host", "::1", "--port", server.url.rpartition(":")[2]]
        ran = subprocess.run(
            [*server.process.args[:3], *command, "--data-dir", tmp_path / "other"],  # type: ignore[index, misc]
            capture_output=True,
            text=True,
        )
        assert ran.returncode == 1
        assert "Nothing can listen on ::1 port" in ran.stderr
        assert not (tmp_path / "other").exists()
    finally:
        server.stop()


def test_one_process_has_no_parent_and_no_socket(server: Server) -> None:
    assert not (server.data_dir / leader.SOCKET).exists()
    assert "multiprocessing" in Path(f"/proc/{children(server.process.pid)[0]}/cmdline").read_text()


def test_who_has_fewest_connections_takes_the_next() -> None:
    counts = Counts(3)
    assert counts.is_least(0, 7), "nobody else is there"
    assert counts.is_least(1, 7)
    assert not counts.is_least(0, 8)
    assert counts.is_least(2, 0)
    assert not counts.is_least(1, 1)
    counts.gone(2)
    assert counts.is_least(1, 1)


def test_connections_are_shared_out(pair: Server) -> None:
    """Of those that come one after the other, no process takes all."""
    host, port = pair.url.removeprefix("http://").split(":")
    opened = [http.client.HTTPConnection(host, int(port)) for _ in range(20)]
    for connection in opened:
        connection.request("GET", "/healthz")
        connection.getresponse().read()
    ours = {f"socket:[{inode}]" for inode in _inodes(int(port))}
    shares = [len(ours & _files(pid)) for pid in children(pair.process.pid)]
    for connection in opened:
        connection.close()
    assert sum(shares) >= len(opened)
    assert min(shares) > len(opened) // 4


def _inodes(port: int) -> list[str]:
    """Of the established connections to a port of ours."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [row[9] for row in rows if row[1].endswith(f":{port:04X}") and row[3] == "01"]


def _files(pid: int) -> set[str]:
    return {os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir() if path.is_symlink()}


def test_remarks_are_made_once_by_processes_that_were_forked() -> None:
    remarks, cache = Remarks(), Cache(8)
    cache.remarks = remarks
    pid = os.fork()
    if pid == 0:
        os._exit(0 if cache.is_first(("unread", "arn")) and not cache.is_first(("unread", "arn")) else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert not cache.is_first(("unread", "arn"))
    assert cache.is_first(("unread", "other"))
    assert cache.is_first(("told", "x"), 0.0)
    assert cache.is_first(("told", "x"), 60.0), "its time was over"
    assert not cache.is_first(("told", "x"), 60.0)
    assert sum(remarks.is_first(number, 60.0) for number in range(2000)) == 1000 - 3
