"""The store of models: what is published opens whole, damage names its file, and the newest pool is known at once."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tailorbird.errors import DamagedFile
from tailorbird.storage import artifacts
from tailorbird.storage.arrays import load_arrays, save_arrays
from tailorbird.storage.artifacts import Artifacts, ExplorationPools, ModelManifest

PREFIX = "arn:aws:personalize:us-east-1:123456789012:"
VERSION, UPDATE = f"{PREFIX}solution/s/0a", f"{PREFIX}solution/s/0b"
RECOMMENDER = f"{PREFIX}recommender/r"
METRICS = [{"name": "coverage", "cohort": "all"}]
WEIGHTS = np.arange(3.0)


@pytest.fixture
def store(tmp_path: Path) -> Artifacts:
    return Artifacts(tmp_path / "artifacts")


def publish(store: Artifacts, arn: str = VERSION, newest_event: int = 7) -> None:
    manifest = ModelManifest("aws-sims", newest_event, ({"event_type": "click"},))
    with store.publish(arn, manifest, METRICS) as artifact:
        save_arrays(artifact.model, weights=WEIGHTS)
        save_arrays(artifact.history, users=np.array(["u"]))
        add(artifact.pools, "first")


def add(pools: ExplorationPools, text: str) -> str:
    with pools.add() as folder:
        (folder / "content").write_text(text)
    return pools.newest()


def opened(store: Artifacts, arn: str = VERSION) -> Any:
    with store.open(arn) as artifact:
        (weights,) = load_arrays(artifact.model, "weights")
        assert load_arrays(artifact.history, "users")[0].tolist() == ["u"]
        return artifact, weights


@pytest.mark.parametrize("arn", [VERSION, f"{RECOMMENDER}/0a"])
def test_what_is_published_is_opened(store: Artifacts, arn: str) -> None:
    publish(store, arn)
    artifact, weights = opened(store, arn)
    np.testing.assert_array_equal(weights, WEIGHTS)
    assert artifact.manifest == ModelManifest("aws-sims", 7, ({"event_type": "click"},), checksums=True)
    assert artifact.owner == (VERSION if arn == VERSION else RECOMMENDER)
    with artifact.pools.open(artifact.pools.newest()) as folder:
        assert (folder / "content").read_text() == "first"
    assert store.metrics(arn) == METRICS
    assert not list(store.damages([arn]))
    assert store.unverified([arn]) == 0


def test_the_names_on_disk_are_those_of_before(store: Artifacts, tmp_path: Path) -> None:
    for arn in (VERSION, f"{RECOMMENDER}/0a"):
        publish(store, arn)
    for folder in ("us-east-1/s/0a", "us-east-1/_recommender/r/0a"):
        found = {
            str(path.relative_to(tmp_path / "artifacts" / folder))
            for path in tmp_path.rglob("*")
            if path.is_file() and path.is_relative_to(tmp_path / "artifacts" / folder)
        }
        (pool,) = {name.split("/")[1] for name in found if name.startswith("pools/")}
        assert pool.startswith("000000000-")
        own = {"recipe.json", "metrics.json", "checksums.json", "model/weights.npy", "history/users.npy"}
        assert found == own | {f"pools/{pool}/content", f"pools/{pool}/checksums.json"}
    told = json.loads((tmp_path / "artifacts/us-east-1/s/0a/recipe.json").read_text())
    assert told == {
        "recipe": "aws-sims",
        "newest_event": 7,
        "events": [{"event_type": "click"}],
        "updates_items": False,
        "checksums": True,
    }


def test_a_failed_publication_leaves_nothing(store: Artifacts, tmp_path: Path) -> None:
    publication = store.publish(VERSION, ModelManifest("aws-sims", 1), METRICS)
    with pytest.raises(ValueError, match="Object arrays"), publication as artifact:
        save_arrays(artifact.model, weights=WEIGHTS, other=np.array([print]))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    with pytest.raises(DamagedFile, match=r"recipe\.json is missing"):
        store.manifest(VERSION)


@pytest.mark.parametrize(
    "name", ["recipe.json", "metrics.json", "checksums.json", "model/weights.npy", "history/users.npy"]
)
@pytest.mark.parametrize("way", ["changed", "cut", "missing"])
def test_a_damaged_file_is_refused_by_its_name(store: Artifacts, tmp_path: Path, name: str, way: str) -> None:
    publish(store)
    path = tmp_path / "artifacts" / "us-east-1" / "s" / "0a" / name
    data = path.read_bytes()
    if way == "missing":
        path.unlink()
    else:
        path.write_bytes(data[:-1] if way == "cut" else bytes([data[0] ^ 1]) + data[1:])
    with pytest.raises(DamagedFile) as error:
        opened(store)
    assert error.value.path == path
    assert error.value.touched == VERSION
    assert path in [each.path for each in store.damages([VERSION])]
    if name in ("recipe.json", "metrics.json"):
        with pytest.raises(DamagedFile, match=name):
            store.metrics(VERSION)


def test_a_damaged_pool_costs_no_other_file(store: Artifacts) -> None:
    publish(store)
    pools = opened(store)[0].pools
    path = pools.folder / pools.newest() / "content"
    path.write_text("other")
    with pytest.raises(DamagedFile, match="Remove its folder") as error, pools.open(pools.newest()):
        pass
    assert error.value.path == path
    opened(store)
    assert [each.path for each in store.damages([VERSION])] == [path]


def test_a_model_that_makes_no_sense_is_damaged(store: Artifacts) -> None:
    publish(store)
    with pytest.raises(DamagedFile, match="no such recipe"), store.open(VERSION):
        raise KeyError("no such recipe")


def test_models_of_before_checksums_open_and_are_counted(store: Artifacts, tmp_path: Path) -> None:
    publish(store)
    folder = tmp_path / "artifacts" / "us-east-1" / "s" / "0a"
    for path in folder.rglob("checksums.json"):
        path.unlink()
    (folder / "recipe.json").write_text('{"recipe":"aws-sims","newest_event":7}')
    artifact, _ = opened(store)
    assert artifact.manifest == ModelManifest("aws-sims", 7)
    with artifact.pools.open(artifact.pools.newest()):
        pass
    assert store.unverified([VERSION]) == store.unverified([]) == 1
    shutil.rmtree(folder / "pools")
    assert artifact.pools.newest() == ""


def test_a_model_that_must_be_there_is_missed(store: Artifacts) -> None:
    publish(store)
    assert [each.touched for each in store.damages([VERSION, UPDATE])] == [UPDATE]


def test_a_model_is_removed_while_it_is_open(store: Artifacts, tmp_path: Path) -> None:
    publish(store)
    artifact, weights = opened(store)
    store.remove(VERSION)
    np.testing.assert_array_equal(weights, WEIGHTS)
    assert artifact.pools.newest() == ""
    with pytest.raises(FileNotFoundError, match=f"model of {VERSION} is gone"):
        add(artifact.pools, "late")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    store.remove(VERSION)


def test_a_removal_that_fails_is_told(store: Artifacts, tmp_path: Path) -> None:
    publish(store)
    folder = tmp_path / "artifacts" / "us-east-1" / "s" / "0a"
    elsewhere = folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(elsewhere)  # which nothing follows to remove what is there
    with pytest.raises(OSError, match=r"symbolic link|0a"):
        store.remove(VERSION)
    folder.unlink()
    elsewhere.rename(folder)
    store.remove(VERSION)
    assert not folder.exists()


def test_a_recommender_is_removed_with_all_its_models(store: Artifacts, tmp_path: Path) -> None:
    for arn in (f"{RECOMMENDER}/0a", f"{RECOMMENDER}/0b", f"{PREFIX}recommender/other/0a"):
        publish(store, arn)
    store.remove(f"{RECOMMENDER}/0a")
    opened(store, f"{RECOMMENDER}/0b")
    store.remove(RECOMMENDER)
    assert [path.parent.parent.name for path in tmp_path.rglob("recipe.json")] == ["other"]


def test_what_a_dead_training_left_goes_with_its_model(store: Artifacts, tmp_path: Path) -> None:
    publish(store)
    folder = tmp_path / "artifacts" / "us-east-1" / "s" / "0a"
    shutil.copytree(folder, folder.with_name(".0a.fresh"))
    assert not list(store.damages([]))
    store.remove(VERSION)
    assert not list(folder.parent.iterdir())


def test_an_update_has_its_files_in_common_and_pools_of_its_own(store: Artifacts) -> None:
    publish(store)
    first = opened(store)[0]
    with store.publish_again(UPDATE, VERSION) as artifact:
        add(artifact.pools, "second")
    second = opened(store, UPDATE)[0]
    assert second.manifest == first.manifest
    assert (second.model / "weights.npy").samefile(first.model / "weights.npy")
    assert first.pools.newest() != second.pools.newest()
    store.remove(VERSION)
    opened(store, UPDATE)
    assert not list(store.damages([UPDATE]))


def test_the_newest_event_of_all_models_is_told_and_what_cannot_be_read(store: Artifacts, tmp_path: Path) -> None:
    failed: list[DamagedFile] = []
    assert store.newest_event(failed.append) == 0
    for arn, number in ((VERSION, 300), (UPDATE, 200)):
        publish(store, arn, number)
    assert store.newest_event(failed.append) == 300
    assert not failed
    path = tmp_path / "artifacts" / "us-east-1" / "s" / "0a" / "recipe.json"
    path.write_bytes(b"{")
    assert store.newest_event(failed.append) == 200
    assert [each.path for each in failed] == [path]


ADD = """
import sys
from pathlib import Path
from tailorbird.storage.artifacts import ExplorationPools
pools = ExplorationPools(Path(sys.argv[1]), "m", True)
for line in sys.stdin:
    with pools.add() as folder:
        (folder / "content").write_text(line)
    print(max(path.name for path in pools.folder.iterdir()), flush=True)
"""


@contextmanager
def another_process(pools: ExplorationPools) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", ADD, str(pools.folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.communicate()
    assert process.returncode == 0


def test_the_newest_pool_is_known_as_soon_as_another_process_has_added_it(
    store: Artifacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked all the time while pools come, also by a listing that is remembered."""
    publish(store)
    pools = opened(store)[0].pools
    monkeypatch.setattr(artifacts, "SETTLED", 0.05)  # of this file system, which counts by less
    with another_process(pools) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for number in range(1, 6):
            remembered = artifacts._newest_of_still.cache_info().hits
            while artifacts._newest_of_still.cache_info().hits == remembered:
                before = pools.newest()
            process.stdin.write("more\n")
            process.stdin.flush()
            while (now := pools.newest()) == before:
                time.sleep(0)
            assert process.stdout.readline().strip() == now == pools.newest()
            assert now.startswith(f"{number:09}-")
            with pools.open(now) as folder:
                assert (folder / "content").read_text() == "more\n"
            with pools.open(before):  # by who asked a moment ago
                pass
    assert len(list(pools.folder.iterdir())) == artifacts.POOLS_KEPT


def test_a_pool_that_is_removed_by_hand_gives_way_to_the_one_before(store: Artifacts) -> None:
    publish(store)
    pools = opened(store)[0].pools
    first = pools.newest()
    second = add(pools, "second")
    shutil.rmtree(pools.folder / second)
    assert pools.newest() == first
    assert add(pools, "third").startswith("000000001-")


def test_a_pool_is_the_newest_one_by_its_number_and_dead_writers_leave_none(store: Artifacts) -> None:
    publish(store)
    pools = opened(store)[0].pools
    (pools.folder / ".000000000-dead.fresh").mkdir()
    for number in range(1, 12):
        assert add(pools, "more").startswith(f"{number:09}-")
    assert sorted(path.name[:9] for path in pools.folder.iterdir()) == ["000000010", "000000011"]
