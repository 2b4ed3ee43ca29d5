"""Embeddings come in bit by bit, and the nearest are found."""

import numpy as np
import pytest

from toolmesh_codesearch.meanings import DIMENSIONS, Meanings, quantised


def _vectors(count: int) -> np.ndarray:
    random = np.random.default_rng(1)
    rows = random.standard_normal((count, DIMENSIONS)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_quantised_embeddings_keep_their_likeness() -> None:
    """Eight bits change a cosine by less than a hundredth."""
    rows = _vectors(5000)
    ids = np.arange(1, 5001, dtype=np.uint64)
    meanings = Meanings(ids)
    meanings.add({int(each): row.tobytes() for each, row in zip(ids, quantised(rows), strict=True)})
    likeness = meanings.likeness(rows[7])
    assert likeness[7] == pytest.approx(1, abs=0.01)
    # Of so many, the far ones are estimated.
    np.testing.assert_allclose(likeness, rows @ rows[7], atol=0.25)
    few = Meanings(ids[:100])
    few.add({int(each): row.tobytes() for each, row in zip(ids, quantised(rows), strict=True)})
    np.testing.assert_allclose(few.likeness(rows[7]), rows[:100] @ rows[7], atol=0.01)


def test_the_nearest_of_very_many_are_exact() -> None:
    """What is near is found among many, in the right order, although most are only estimated."""
    rows = _vectors(20_000)
    target = rows[0]
    near = target + 0.8 * rows[1:51]
    rows[1:51] = near / np.linalg.norm(near, axis=1, keepdims=True)
    ids = np.arange(1, 20_001, dtype=np.uint64)
    meanings = Meanings(ids)
    meanings.add({int(each): row.tobytes() for each, row in zip(ids, quantised(rows), strict=True)})
    found = np.argsort(-meanings.likeness(target))[:51]
    assert set(found.tolist()) == set(range(51))
    assert found[0] == 0


@pytest.mark.parametrize("far_count", [0, 3000])
def test_the_nearest_that_a_filter_lets_through_are_exact(far_count: int) -> None:
    """Those that it does not let through take no place, however near they are."""
    rows = _vectors(20_000)
    target = rows[0]
    # All but the last thousands are nearer than the fifty are.
    rows[:15_000] = target + 0.02 * rows[:15_000]
    rows[15_000:15_050] = target + 1.5 * rows[15_000:15_050]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    ids = np.arange(1, 20_001, dtype=np.uint64)
    meanings = Meanings(ids)
    meanings.add({int(each): row.tobytes() for each, row in zip(ids, quantised(rows), strict=True)})
    mask = np.zeros(20_000, dtype=np.bool_)
    mask[15_000 : 15_050 + far_count] = True
    likeness = meanings.likeness(target, mask)
    assert not likeness[~mask].any()
    np.testing.assert_allclose(likeness[15_000:15_050], rows[15_000:15_050] @ target, atol=0.01)


def test_embeddings_fill_in() -> None:
    """What is missing is told in the units' order; a text's embedding serves all its units."""
    meanings = Meanings(np.array([9, 0, 5, 9, 7], dtype=np.uint64))
    assert meanings.missing().tolist() == [9, 5, 7]
    assert (meanings.ready_count, meanings.embedded_count) == (0, 4)
    row = quantised(_vectors(1))[0].tobytes()
    meanings.add({9: row, 1234: row})
    assert meanings.missing().tolist() == [5, 7]
    assert meanings.share_ready == 0.5
    assert np.flatnonzero(meanings.likeness(_vectors(1)[0])).tolist() == [0, 3]


def test_an_index_without_texts_is_ready() -> None:
    """Nothing to embed is no reason to wait."""
    meanings = Meanings(np.zeros(0, dtype=np.uint64))
    meanings.add({3: bytes(DIMENSIONS)})
    assert meanings.share_ready == 1.0
    assert len(meanings.likeness(_vectors(1)[0])) == 0
