"""A trainer's files and shards: what is written reads back, and anything else is refused before it is used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from aggregator.errors import WrongShape
from market.errors import ConfigError, PayloadError, TaskError
from market.services.inputs import load_job_task, read_update, training_shard, write_update
from market.services.manifest import Manifest, SrsEntry, TensorEntry
from market.services.trainer import trainer_folder
from market.trainer.task import load_task


def test_an_update_reads_back_to_the_bit(tmp_path: Path) -> None:
    update = np.random.default_rng(0).normal(size=100).astype(np.float32)
    write_update(tmp_path / "update", update)
    assert read_update(tmp_path / "update", 100).tobytes() == update.tobytes()


def test_a_file_of_another_shape_or_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "update"
    for tensors in (
        {},
        {"update": np.zeros(99, np.float32)},
        {"update": np.zeros(100, np.float16)},
        {"update": np.zeros((100, 1), np.float32)},
        {"other": np.zeros(100, np.float32)},
    ):
        safetensors.numpy.save_file(tensors, path)
        with pytest.raises(WrongShape, match="must hold one float32 tensor"):
            read_update(path, 100)
    path.write_bytes(b"\x80\x04pickle")
    with pytest.raises(PayloadError, match="not a safetensors file"):
        read_update(path, 100)
    with pytest.raises(PayloadError):
        read_update(tmp_path / "none", 100)


@pytest.mark.parametrize("alpha", [None, 0.5])
def test_shards_divide_the_training_samples(alpha: float | None) -> None:
    task = load_task("digits")
    whole = training_shard(task, "1/1", alpha=alpha, seed=3)
    parts = [training_shard(task, f"{place}/3", alpha=alpha, seed=3) for place in (1, 2, 3)]
    assert sum(len(part) for part in parts) == len(whole) == len(task.load_data().train)
    stacked = np.concatenate([part.features.numpy().reshape(len(part), -1) for part in parts])
    everything = whole.features.numpy().reshape(len(whole), -1)
    assert np.array_equal(np.sort(stacked, axis=0), np.sort(everything, axis=0))


@pytest.mark.parametrize("shard", ["", "1", "0/3", "4/3", "1/0", "-1/3", "1/3/5", "a/b", "1.0/3"])
def test_what_is_no_part_is_refused(shard: str) -> None:
    with pytest.raises(ConfigError, match="is not a part of the data"):
        training_shard(load_task("digits"), shard, alpha=None, seed=0)


def test_a_built_in_task_needs_no_file_and_an_own_one_does() -> None:
    manifest = Manifest(
        name="x",
        task="digits",
        tensors=[TensorEntry(name="w", shape=[1])],
        initial_model_cid="x",
        initial_model_bytes=1,
        srs=SrsEntry(digest="00" * 32, size=9, cid="x", bytes=1),
    )
    assert load_job_task(manifest, None).classes == 10
    own = manifest.model_copy(update={"task": "own.py", "task_sha256": "0" * 64})
    with pytest.raises(TaskError, match=r"own file, own\.py") as refused:
        load_job_task(own, None)
    assert "--task" in str(refused.value.hint)


def test_two_spellings_of_an_address_share_a_journal(tmp_path: Path) -> None:
    address = "0xA310B713e304B48EDdd95678bDea4125a76f06a5"
    assert trainer_folder(tmp_path, address, 1) == trainer_folder(tmp_path, address.lower(), 1)
    assert trainer_folder(tmp_path, address, 1) != trainer_folder(tmp_path, address, 2)
