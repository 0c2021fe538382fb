"""Trees of plain data cross between processes bit for bit, and shared memory is never lent out twice."""

from __future__ import annotations

import gc
import threading
from multiprocessing import Pipe

import numpy as np
import pytest
from compute_operations import Tree

from explorer.compute import parcel
from explorer.compute.parcel import ASIDE, NotPlainData, Region
from explorer.compute.ring import Ring

MANY = 3 * ASIDE


def crossed(tree: object, ring: Ring, region: Region) -> tuple[parcel.Letter, object]:
    """Through a pipe of this process and out of it again."""
    here, there = Pipe()
    with here, there:
        sender = threading.Thread(
            target=parcel.post, args=(here, ("note", 1), parcel.pack(tree), ring.memory, region), daemon=True
        )
        sender.start()
        letter = parcel.receive(there)
        sender.join()
    if letter.start is None:
        buffers = [memoryview(piece) for piece in letter.loose]
    else:
        lease = ring.lease(Region(letter.start, letter.start + letter.room))
        buffers = list(parcel.places(lease.data.toreadonly(), letter.sizes))
    return letter, parcel.unpack(letter.body, buffers, known_only=True)


def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    bits = rng.integers(0, 2**64, MANY, dtype=np.uint64)  # NaNs with payloads, infinities, subnormals, minus zero
    return {
        "every bit pattern": bits.view(np.float64),
        "float16": rng.normal(size=MANY).astype(np.float16),
        "column by column": np.asfortranarray(rng.normal(size=(100, 64))),
        "with strides": rng.normal(size=(200, 64))[::2, ::3],
        "backwards": rng.normal(size=MANY)[::-1],
        "three axes": rng.normal(size=(10, 20, 30)).astype(np.float32),
        "boolean": rng.normal(size=MANY) > 0,
        "other byte order": rng.normal(size=MANY).astype(">f8"),
        "without an element": np.zeros((0, 5)),
        "one number": np.array(3.5),
        "small": np.arange(3),
    }


# Bytes of shared memory: enough for all, and too little.
@pytest.mark.parametrize("size", [1 << 20, 64])
def test_arrays_of_every_kind_arrive_bit_for_bit_whether_they_fit_into_the_ring_or_not(size: int) -> None:
    ring = Ring(size)
    sent = Tree("all", arrays(), rest=(None, 1.5, "é", (float("-inf"),)))
    letter, got = crossed(sent, ring, ring.gap())
    assert (letter.start is None) == (size == 64)
    assert letter.note == ("note", 1)
    assert isinstance(got, Tree)
    assert (got.name, got.rest) == (sent.name, sent.rest)
    assert list(got.arrays) == list(sent.arrays)
    for name, array in sent.arrays.items():
        arrived = got.arrays[name]
        assert (arrived.dtype, arrived.shape) == (array.dtype, array.shape), name
        assert arrived.tobytes() == array.tobytes(), name
        assert arrived.flags.aligned, name


def test_big_arrays_stay_out_of_the_pickle_and_cannot_be_written_to() -> None:
    ring = Ring(1 << 20)
    strided = np.ones((200, 64))[:, ::2]
    letter, got = crossed({"a": np.ones(MANY), "b": strided}, ring, ring.gap())
    assert len(letter.body) < 1000
    assert letter.sizes == (MANY * 8, 200 * 32 * 8)
    assert isinstance(got, dict)
    assert not got["a"].flags.writeable
    assert not got["b"].flags.writeable


@pytest.mark.parametrize("named", [b"ctorch\nTensor\n.", b"ctorch._utils\n_rebuild\n.", b"cnever_heard_of\nThing\n."])
def test_an_answer_cannot_import_anything_into_the_window(named: bytes) -> None:
    with pytest.raises(NotPlainData, match="no plain data"):
        parcel.unpack(named, [], known_only=True)


def test_a_stretch_is_free_again_when_the_last_array_in_it_is_gone() -> None:
    ring = Ring(1 << 20)
    assert ring.gap() == Region(0, 1 << 20)
    _, got = crossed({"a": np.ones(MANY), "b": np.full(MANY, 2.0)}, ring, ring.gap())
    assert isinstance(got, dict)
    taken = ring.leased()
    assert taken == 2 * MANY * 8
    assert ring.gap() == Region(taken, 1 << 20)
    column = got["b"][5:7]
    del got
    assert ring.leased() == taken, "a view of an array still looks at it"
    assert column.tolist() == [2.0, 2.0]
    del column
    assert ring.leased() == 0
    assert ring.gap() == Region(0, 1 << 20)


def test_stretches_lent_and_returned_in_any_order_never_overlap() -> None:
    rng = np.random.default_rng(7)
    ring = Ring(64 * 1000)
    held: dict[int, np.ndarray] = {}
    for turn in range(600):
        gap = ring.gap()
        if rng.random() < 0.6 and gap.size:
            size = int(rng.integers(1, gap.size // 2 + 2))
            lease = ring.lease(Region(gap.start, gap.start + size))
            lease[:] = turn % 251
            held[turn] = lease
        elif held:
            del held[int(rng.choice(list(held)))]
        for when, lease in held.items():
            assert (lease == when % 251).all()
    held.clear()
    del lease
    gc.collect()
    assert ring.gap() == Region(0, ring.size)


def test_arrays_outlive_the_ring_that_they_came_through() -> None:
    ring = Ring(1 << 20)
    _, got = crossed(np.arange(MANY), ring, ring.gap())
    del ring
    gc.collect()
    np.testing.assert_array_equal(got, np.arange(MANY))
