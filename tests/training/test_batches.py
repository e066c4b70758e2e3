"""Batches by index: every sample once, in an order that depends on seed and epoch alone."""

from __future__ import annotations

import pytest
import torch

from arcvae.imbalance.sampling import ClassSampler
from arcvae.training.batches import BatchIndices, TensorBatches, batch_loader


def epoch(indices: BatchIndices, number: int = 0) -> list[int]:
    indices.set_epoch(number)
    return torch.cat([samples for _, samples in indices]).tolist()


@pytest.mark.parametrize(("size", "batch"), [(10, 3), (9, 3), (1, 64), (65, 64)])
def test_epoch_holds_each_sample_once(size: int, batch: int) -> None:
    indices = BatchIndices(size, batch, seed=5)
    batches = [samples for _, samples in indices]
    assert len(batches) == len(indices) == -(-size // batch)
    assert sorted(torch.cat(batches).tolist()) == list(range(size))
    assert max(map(len, batches)) <= batch


def test_order_depends_on_seed_and_epoch_alone() -> None:
    assert epoch(BatchIndices(100, 7, seed=1), 3) == epoch(BatchIndices(100, 7, seed=1), 3)
    assert epoch(BatchIndices(100, 7, seed=1), 3) != epoch(BatchIndices(100, 7, seed=1), 4)
    assert epoch(BatchIndices(100, 7, seed=1), 3) != epoch(BatchIndices(100, 7, seed=2), 3)


def test_evaluation_keeps_the_order() -> None:
    assert epoch(BatchIndices(10, 4)) == list(range(10))


def test_repeats_shuffle_anew_each_time() -> None:
    indices = BatchIndices(32, 32, seed=0, repeats=50)
    passes = [tuple(batch.tolist()) for _, batch in indices]
    assert len(indices) == len(passes) == 50
    assert len(set(passes)) == 50
    assert {tuple(sorted(one)) for one in passes} == {tuple(range(32))}
    indices.set_epoch(1)
    assert not set(passes) & {tuple(batch.tolist()) for _, batch in indices}


@pytest.mark.parametrize("size", [7, 8, 9])
def test_evaluation_shares_cover_every_sample_exactly_once(size: int) -> None:
    shares = [epoch(BatchIndices(size, 4, rank=rank, world_size=2)) for rank in range(2)]
    assert sorted(shares[0] + shares[1]) == list(range(size))


@pytest.mark.parametrize("size", [7, 8, 9, 1])
def test_training_shares_have_equally_many_batches(size: int) -> None:
    # A process with one batch more would wait for the others forever.
    shares = [BatchIndices(size, 2, seed=0, rank=rank, world_size=2) for rank in range(2)]
    lengths = {len(list(share)) for share in shares}
    if size > 1:
        assert len(lengths) == 1
        assert not set(epoch(shares[0])) & set(epoch(shares[1]))


def test_loader_yields_whole_batches_of_the_stored_type() -> None:
    samples = torch.arange(20, dtype=torch.uint8).view(10, 2)
    loaded = list(batch_loader(TensorBatches(samples), BatchIndices(10, 4)))
    assert [batch.shape[0] for batch in loaded] == [4, 4, 2]
    assert torch.equal(torch.cat(loaded), samples)
    assert loaded[0].dtype == torch.uint8


def test_numbers_of_batches_never_repeat_over_epochs_and_processes() -> None:
    numbers = []
    for rank in range(2):
        indices = BatchIndices(10, 2, seed=0, repeats=3, rank=rank, world_size=2)
        for number in range(4):
            indices.set_epoch(number)
            numbers += [batch for batch, _ in indices]
    assert len(numbers) == len(set(numbers)) == 2 * 4 * len(indices)


def noisy(samples: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return samples + torch.rand(len(samples), generator=generator)


@pytest.mark.parametrize("workers", [0, 2])
def test_transform_draws_by_batch_number_whatever_the_workers(workers: int) -> None:
    def draws(seed: int, epoch: int) -> torch.Tensor:
        indices = BatchIndices(12, 3)
        indices.set_epoch(epoch)
        return torch.cat(list(batch_loader(TensorBatches(torch.zeros(12), noisy, seed), indices, num_workers=workers)))

    alone = TensorBatches(torch.zeros(12), noisy, 1)
    expected = torch.cat([alone[(4 + n, torch.arange(3 * n, 3 * n + 3))] for n in range(4)])  # type: ignore[misc]
    assert torch.equal(draws(1, 1), expected)
    assert not torch.equal(draws(1, 0), expected)
    assert not torch.equal(draws(2, 1), expected)


def test_targets_come_with_their_samples_and_are_not_transformed() -> None:
    samples, targets = torch.arange(10.0), torch.arange(10) * 7
    batches = TensorBatches(samples, lambda part, generator: part + 100, targets=targets)
    seen = list(batch_loader(batches, BatchIndices(10, 4, seed=3)))
    assert [len(part) for part, _ in seen] == [4, 4, 2]
    for part, labels in seen:
        assert torch.equal((part - 100).long() * 7, labels)


def test_epoch_that_is_resumed_goes_on_after_the_batches_that_were_taken() -> None:
    indices = BatchIndices(10, 3, seed=1, repeats=2)
    for epoch in (0, 2):
        indices.set_epoch(epoch)
        whole = list(indices)
        for taken in range(len(whole) + 1):
            indices.resume(epoch, taken)
            assert [(number, found.tolist()) for number, found in indices] == [
                (number, found.tolist()) for number, found in whole[taken:]
            ]
    indices.set_epoch(3)
    assert len(list(indices)) == len(whole)  # later epochs are whole


@pytest.mark.parametrize("name", ["square_root", "progressive"])
def test_drawn_order_goes_on_after_any_batch_and_is_shared_by_processes(name: str) -> None:
    def indices(batch: int, **options: int) -> BatchIndices:
        draw = ClassSampler(torch.tensor([0] * 30 + [1] * 5 + [2]), name, 3)
        return BatchIndices(36, batch, seed=3, draw=draw, **options)

    for number in (0, 2):
        whole = epoch(indices(8), number)
        assert len(whole) == 36
        assert whole != epoch(indices(8), number + 1)
        resumed = indices(8)
        resumed.resume(number, 2)
        assert epoch(resumed, number) == whole[16:]
        # Two processes with half of a batch each take, step by step, the samples that one takes.
        shares = [indices(4, rank=rank, world_size=2) for rank in (0, 1)]
        for share in shares:
            share.set_epoch(number)
        both = [sorted(torch.cat([a, b]).tolist()) for (_, a), (_, b) in zip(*shares, strict=True)]
        assert both == [sorted(whole[start : start + 8]) for start in range(0, 36, 8)]
