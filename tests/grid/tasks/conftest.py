"""A model of objects, a pool of objects that it codes, and a small set of tasks: made once."""

from __future__ import annotations

from collections import Counter

import pytest

import arcvae
from arcvae.grid.codec import Codec
from arcvae.grid.tasks.collection import Collection, make_collection
from arcvae.grid.tasks.inputs import Pool
from arcvae.grid.tasks.make import Maker

SIZE = (16, 16)


@pytest.fixture(scope="session")
def codec() -> Codec:
    found = arcvae.load("atomic-objects")
    assert isinstance(found, Codec)
    return found


@pytest.fixture(scope="session")
def pool(codec: Codec) -> Pool:
    return Pool.of(codec.sample(200, seed=1), SIZE, 8, 15)


@pytest.fixture(scope="session")
def maker(codec: Codec, pool: Pool) -> Maker:
    return Maker(codec, pool, seed=3)


@pytest.fixture(scope="session")
def collection(maker: Maker) -> Collection:
    found = make_collection(maker, 36, 3, 4)
    assert isinstance(found.reasons, Counter)
    return found
