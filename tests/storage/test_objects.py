"""Files by URI: a folder and a real S3 service over HTTP behave alike."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator

import pytest
from moto.server import ThreadedMotoServer

from tailorbird.storage import aws, objects
from tailorbird.storage.objects import ObjectError, Objects


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


@pytest.fixture
def store(endpoint, root):
    return Objects(endpoint, "AKIAEXAMPLE", "secret", "eu-west-1", [root])


@pytest.fixture(params=["s3", "file"])
def base(request, store, root):
    """A folder in each kind of store."""
    if request.param == "file":
        return f"{root.as_uri()}/"
    bucket = f"bucket-{os.urandom(6).hex()}"
    store._s3._client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    return f"s3://{bucket}/"


def put(store, uri, content=b"x"):
    store.write(uri, io.BytesIO(content))


def get(store, uri):
    with store.open(uri) as stream:
        return stream.read()


def kind(call, *arguments):
    with pytest.raises(ObjectError) as raised:
        call(*arguments)
    assert raised.value.message.endswith((".", ")")) or ": " in raised.value.message
    return raised.value.kind


@pytest.mark.parametrize("name", ["a.csv", "deep/er/b.csv", "with space+plus.csv", "ä名.csv", "a=1&b#c?.csv"])
@pytest.mark.parametrize("content", [b"", b"x", bytes(range(256)) * 10_000])
def test_what_was_written_comes_back(store, base, name, content):
    uri = base + name.replace("#", "%23").replace("?", "%3F") if base.startswith("file") else base + name
    put(store, uri, b"before")
    put(store, uri, content)
    assert get(store, uri) == content
    (found,) = store.files(uri)
    assert found.size == len(content)
    assert get(store, found.uri) == content
    (listed,) = store.files(base)
    assert listed.size == len(content)
    assert listed.name == name
    assert get(store, listed.uri) == content


def test_a_folder_lists_its_files_by_name(store, base):
    for name in ("in/b.csv", "in/a.csv", "in/sub/c.csv", "inner.csv", "out/d.csv"):
        put(store, base + name)
    assert [file.name for file in store.files(base + "in/")] == ["a.csv", "b.csv", "sub/c.csv"]
    assert [file.name for file in store.files(base + "in/a.csv")] == ["a.csv"]
    assert len(store.files(base)) == 5


def test_streams_read_by_line_and_piece(store, base):
    put(store, base + "a", b"one\ntwo\n" * 500_000)
    with store.open(base + "a") as stream:
        assert stream.readline() == b"one\n"
        assert stream.read(6) == b"two\non"
        assert sum(1 for _ in stream) == 999_998


def test_a_file_appears_only_when_it_is_complete(store, base):
    with store.writer(base + "a") as target:
        target.write(b"half")
        assert store.files(base) == []
    assert get(store, base + "a") == b"half"
    with pytest.raises(ZeroDivisionError), store.writer(base + "b") as target:
        target.write(bytes(1 // 0))
    assert [file.name for file in store.files(base)] == ["a"]


def test_missing(store, base):
    assert kind(store.open, base + "nothing") == "missing"
    assert kind(store.files, base + "nothing") == "missing"
    put(store, base + "folder/a")
    assert kind(store.files, base + "folder") == "missing"


def test_missing_bucket(store):
    assert kind(store.files, "s3://no-such-bucket/") == "missing"
    assert kind(store.open, "s3://no-such-bucket/a") == "missing"
    assert kind(put, store, "s3://no-such-bucket/a") == "missing"


def test_what_is_missing_is_named(store, root):
    with pytest.raises(ObjectError, match="There is no bucket no-such-bucket"):
        store.files("s3://no-such-bucket/a.csv")
    store._s3._client.create_bucket(Bucket="there", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    with pytest.raises(ObjectError, match=r"There is no object a\.csv in bucket there"):
        store.files("s3://there/a.csv")
    with pytest.raises(ObjectError, match=r"There is no file .*/none/a\.csv\. Nor is there its folder file://.*/none/"):
        store.files(f"{root.as_uri()}/none/a.csv")


def test_a_bucket_is_no_folder_without_its_slash(store):
    store._s3._client.create_bucket(Bucket="whole", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    put(store, "s3://whole/a")
    assert kind(store.files, "s3://whole") == "location"
    assert [file.name for file in store.files("s3://whole/")] == ["a"]


def test_missing_folder(store, root):
    assert kind(store.files, f"{root.as_uri()}/none/") == "missing"


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "a.csv",
        "/etc/passwd",
        "http://host/a",
        "s3://",
        "s3:///a",
        "s3:a",
        "file://host/a",
        "file:///%00",
        "S3://b/a",
    ],
)
def test_not_a_location(store, uri):
    assert kind(store.files, uri) == "location"
    assert kind(store.open, uri) == "location"


def test_a_folder_is_not_written(store, base):
    assert kind(store.writer, base) == "location"


@pytest.mark.parametrize("bucket", ["a", "UPPER_case!", "a b"])
def test_impossible_bucket_names(store, bucket):
    assert kind(store.files, f"s3://{bucket}/a") in {"location", "missing"}


def test_outside_the_roots_everything_is_denied(store, root, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    sibling = tmp_path / "root2"
    sibling.mkdir()
    (root / "link").symlink_to(secret)
    (root / "folder").symlink_to(sibling)
    (root / "loop").symlink_to(root / "loop")
    for path in (
        secret,
        "/etc/passwd",
        root / ".." / "secret",
        root / "%2e%2e" / "secret",
        root / "link",
        sibling / "a",
    ):
        assert kind(store.open, f"file://{path}") == "denied"
        assert kind(store.files, f"file://{path}") == "denied"
        assert kind(put, store, f"file://{path}") == "denied"
    assert kind(put, store, f"file://{root}/folder/a") == "denied"
    assert kind(store.files, f"file://{root}/folder/") == "denied"
    assert kind(store.files, f"file://{root}/") == "denied"
    assert kind(store.files, f"file://{root}/loop") in {"location", "missing"}
    assert secret.read_text() == "secret"
    assert list(sibling.iterdir()) == []


def test_no_roots_allow_nothing(root):
    assert kind(Objects(None, "", "", "us-east-1", []).files, f"{root.as_uri()}/") == "denied"


def test_a_link_within_the_roots_is_followed(store, root):
    (root / "real").write_bytes(b"x")
    (root / "link").symlink_to(root / "real")
    assert get(store, f"{root.as_uri()}/link") == b"x"


def test_a_pipe_does_not_block(store, root):
    os.mkfifo(root / "pipe")
    assert kind(store.open, f"{root.as_uri()}/pipe") == "missing"


def test_without_s3():
    assert kind(Objects(None, "", "", "us-east-1", []).files, "s3://bucket/") == "location"


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "nonsense"])
def test_unreachable_s3(monkeypatch, url):
    monkeypatch.setattr(aws, "ATTEMPTS", 1)
    assert kind(Objects(url, "a", "b", "us-east-1", []).files, "s3://bucket/") == "location"


def test_the_accounts_own_aws_settings_do_not_matter(endpoint, monkeypatch, tmp_path):
    (tmp_path / "config").write_text("[broken")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "none-such")
    assert kind(Objects(endpoint, "a", "b", "us-east-1", []).files, "s3://none-such/") == "missing"


def test_uploads_in_parts(store, monkeypatch):
    monkeypatch.setattr(objects, "PART", 5 << 20)
    client = store._s3._client
    client.create_bucket(Bucket="parts", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    content = os.urandom((10 << 20) + 3)
    put(store, "s3://parts/a", content)
    assert get(store, "s3://parts/a") == content
    assert client.head_object(Bucket="parts", Key="a")["ETag"].endswith('-3"')


class Breaking:
    """A body whose connection breaks after some bytes."""

    def __init__(self, body):
        self.body = body
        self.left = 100_000

    def read(self, size):
        from botocore.exceptions import ReadTimeoutError

        if not self.left:
            raise ReadTimeoutError(endpoint_url="here")
        data = self.body.read(min(size, self.left))
        self.left -= len(data)
        return data

    def close(self):
        self.body.close()


def breaking(monkeypatch, store, times):
    left = [times]
    get_object = store._s3.get

    def get(uri, start, etag):
        answer = get_object(uri, start, etag)
        if left[0]:
            left[0] -= 1
            answer["Body"] = Breaking(answer["Body"])
        return answer

    monkeypatch.setattr(store._s3, "get", get)


def test_a_broken_download_goes_on_where_it_broke(store, monkeypatch):
    store._s3._client.create_bucket(Bucket="broken", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    content = os.urandom(1_000_000)
    put(store, "s3://broken/a", content)
    breaking(monkeypatch, store, 6)
    assert get(store, "s3://broken/a") == content
    breaking(monkeypatch, store, 1)
    with store.open("s3://broken/a") as stream:
        stream.read(10)
        put(store, "s3://broken/a", content[::-1])
        with pytest.raises(ObjectError) as changed:
            stream.read()
    assert changed.value.kind == "location"
