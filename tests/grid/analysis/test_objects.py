"""Components and validity of grids, by hand and against a flood fill; sampling and scores."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arcvae.grid.analysis.objects import errors_by_objects, find_components
from arcvae.grid.codes.sampling import Reference, aggregate_codes, posterior_codes, prior_codes
from arcvae.grid.corpus.generator import generate_grids
from arcvae.grid.models.beta_vae import BetaVAE


def grid(*rows: str) -> np.ndarray:
    """An 8x8 grid from rows of digits; a dot is background, what is left out is too."""
    cells = np.zeros((8, 8), dtype=np.uint8)
    for y, row in enumerate(rows):
        for x, cell in enumerate(row):
            cells[y, x] = 0 if cell == "." else int(cell)
    return cells


def flood_fill(cells: np.ndarray) -> list[tuple[int, int]]:
    """Colour and size of each 8-connected component, by a loop over cells."""
    left = {(y, x) for y, x in zip(*np.nonzero(cells), strict=True)}
    found = []
    while left:
        stack = [left.pop()]
        color, size = int(cells[stack[0]]), 0
        while stack:
            y, x = stack.pop()
            size += 1
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            for cell in [cell for cell in near if cells[cell] == color]:
                left.remove(cell)
                stack.append(cell)
        found.append((color, size))
    return sorted(found)


def test_components_equal_a_flood_fill() -> None:
    cells = np.random.default_rng(0).choice(4, (30, 9, 9), p=[0.6, 0.2, 0.1, 0.1]).astype(np.uint8)
    found = find_components(cells)
    for index, each in enumerate(cells):
        mine = found.grid == index
        ours = sorted(zip(found.color[mine].tolist(), found.size[mine].tolist(), strict=True))
        assert ours == flood_fill(each)


@pytest.mark.parametrize(
    ("cells", "valid", "objects"),
    [
        (grid(), False, 0),  # nothing there
        (grid("1"), False, 1),  # a single cell is no object
        (grid("11"), True, 1),
        (grid("1.", ".1"), True, 1),  # touches over the corner
        (grid("12"), False, 2),  # two colours, a cell each
        (grid("1122"), True, 2),  # touching objects of two colours
        (grid("11111111", "1111111"), True, 1),  # 15 cells
        (grid("11111111", "11111111"), True, 2),  # 16 cells: two objects of one colour that touch
        (grid(*["11111111"] * 8), False, 5),  # 64 cells need five objects
        (grid("11.22.33", "........", "44.55"), False, 5),
        (grid("11.22.33", "........", "44"), True, 4),
        (grid("11.22.33", "........", "44.5"), False, 5),  # a stray cell
    ],
)
def test_validity_of_grids_made_by_hand(cells: np.ndarray, valid: bool, objects: int) -> None:
    found = find_components(cells[None])
    assert found.valid(4).tolist() == [valid]
    assert found.objects_per_grid.tolist() == [objects]


def test_share_of_valid_grids_is_that_of_the_set() -> None:
    cells = np.stack([grid("11"), grid("1"), grid(), grid("22.33")])
    assert Reference.of(cells, 4).score(cells)["valid"] == 0.5


@pytest.mark.parametrize(("kind", "most"), [("atomic", 4), ("simplified", 6)])
def test_every_generated_grid_is_valid(kind: str, most: int) -> None:
    cells, _ = generate_grids(kind, 3000, seed=3)
    assert find_components(cells).valid(most).all()


def test_most_objects_are_those_of_the_train_split_unless_given() -> None:
    cells = np.stack([grid("11.22.33"), grid("44")])
    assert Reference.of(cells).max_objects == 3
    assert Reference.of(cells, 2).score(cells)["valid"] == 0.5


def test_main_color_is_that_of_the_largest_component() -> None:
    assert find_components(np.stack([grid("11.222"), grid(), grid("33")])).main_color.tolist() == [2, 0, 3]


def test_scores_of_the_corpus_itself_of_other_real_grids_and_of_black_ones() -> None:
    cells, _ = generate_grids("atomic", 6000, seed=0)
    train, other = cells[:4000], cells[4000:]
    reference = Reference.of(train, 4)
    itself, real, black = reference.score(train), reference.score(other), reference.score(np.zeros_like(other))
    assert (itself["objects_js"], itself["sizes_js"], itself["colors_js"], itself["novel"]) == (0, 0, 0, 0)
    assert real["valid"] == itself["valid"] == 1
    assert 0 < real["objects_js"] < 0.05
    assert real["novel"] > 0.9
    assert (black["valid"], black["objects_js"], black["sizes_js"], black["colors_js"]) == (0, 1, 1, 1)
    assert (black["pair_distance"], black["distinct"]) == (0, 1 / len(other))


def test_distance_is_jensen_shannon_worked_by_hand() -> None:
    # All grids with one object against half of them with two: P = (1, 0), Q = (1/2, 1/2), M = (3/4, 1/4);
    # JSD = 1/2 (log2 4/3) + 1/2 (1/2 log2 2/3 + 1/2 log2 2) = 0.3113, and the distance is its root, 0.5579.
    one, two = grid("11"), grid("11.11")
    reference = Reference.of(np.stack([one, one]), 4)
    assert reference.score(np.stack([one, two]))["objects_js"] == pytest.approx(0.5579, abs=1e-4)


def test_errors_by_objects_worked_by_hand() -> None:
    one, two = grid("11"), grid("11.22")
    decoded = np.stack([one, grid("1.3"), grid("11.33"), grid("11.22")])
    found = errors_by_objects(np.stack([one, one, two, two]), decoded)
    assert found == {
        "1": {"share": 0.5, "exact_match": 0.5, "left_out": 0.5, "added": 0.5, "recolored": 0.0},
        "2": {"share": 0.5, "exact_match": 0.5, "left_out": 0.0, "added": 0.0, "recolored": 1.0},
    }


def test_aggregate_codes_follow_the_codes_of_the_corpus() -> None:
    cells = torch.from_numpy(generate_grids("atomic", 2000, seed=0)[0])
    encoder = BetaVAE(latent_dim=2, widths=[4, 4, 4], hidden=8).encoder
    with torch.no_grad():
        encoder.mu.bias += torch.tensor([3.0, -5.0])
        encoder.logvar.weight.zero_()
        encoder.logvar.bias.fill_(-8.0)
        mean = encoder(cells)[0].mean(0).numpy()
    drawn = aggregate_codes(encoder, cells, 4000, components=4, seed=0, device=torch.device("cpu"))
    np.testing.assert_allclose(drawn.mean(0), mean, atol=0.05)
    again = aggregate_codes(encoder, cells, 4000, components=4, seed=0, device=torch.device("cpu"))
    assert (drawn == again).all()


def test_posterior_codes_are_those_of_grids_with_their_noise() -> None:
    cells = torch.from_numpy(generate_grids("atomic", 50, seed=0)[0])
    encoder = BetaVAE(latent_dim=2, widths=[4, 4, 4], hidden=8).encoder
    with torch.no_grad():
        encoder.mu.weight *= 10_000
        encoder.logvar.weight.zero_()
        encoder.logvar.bias.fill_(-8.0)
        codes = encoder(cells)[0].numpy()
    drawn = posterior_codes(encoder, cells, 4000, seed=0, device=torch.device("cpu"))
    away = drawn[:, None] - codes
    nearest = np.square(away).sum(-1).argmin(1)
    assert set(nearest) == set(range(50))  # every grid is drawn
    noise = np.take_along_axis(away, nearest[:, None, None], 1)
    assert noise.std() == pytest.approx(np.exp(-4), rel=0.05)


def test_prior_codes_are_standard_normal_and_follow_the_seed() -> None:
    z = prior_codes(20_000, 3, seed=0)
    np.testing.assert_allclose(z.mean(0), 0, atol=0.03)
    np.testing.assert_allclose(np.cov(z.T), np.eye(3), atol=0.03)
    assert (z == prior_codes(20_000, 3, seed=0)).all()
    assert (z != prior_codes(20_000, 3, seed=1)).any()
