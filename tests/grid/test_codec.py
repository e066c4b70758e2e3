"""The codec: what it accepts and refuses, that it stays light, and the model that comes with arcvae."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

import arcvae
from arcvae import operations as ops
from arcvae.errors import CheckpointError, DataError
from arcvae.grid.analysis.validity import Reference
from arcvae.grid.codec import Codec
from arcvae.grid.codes.object_codes import ObjectCodes
from arcvae.grid.corpus.generator import generate_grids
from arcvae.grid.models.base import GridModel
from arcvae.grid.models.beta_vae import BetaVAE
from arcvae.grid.models.layers import one_hot
from arcvae.grid.models.objects import ObjectsVAE
from arcvae.grid.models.separable import SeparableVAE
from arcvae.grid.models.spatial import SpatialVAE
from tests.elsewhere import elsewhere
from tests.grid.models.perfect import perfect_vae

WEIGHTS = Path(arcvae.__file__).parent / "weights"


@pytest.fixture(scope="module")
def codec() -> Codec:
    torch.manual_seed(0)
    return Codec(BetaVAE(latent_dim=3, widths=[4, 4, 4], hidden=8))


@pytest.mark.slow
def test_neither_lightning_nor_hydra_is_imported(run_folder: Path, tmp_path: Path) -> None:
    code = (
        f"import sys, arcvae; arcvae.load({str(run_folder)!r}).sample(2)\n"
        "heavy = {'lightning', 'hydra', 'omegaconf', 'torchmetrics', 'sklearn', 'matplotlib', 'wandb'}\n"
        "print(sorted(heavy & {name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("model", [SeparableVAE(4), SpatialVAE(16), SpatialVAE(8, digits=4), ObjectsVAE(width=8)])
def test_no_grids_have_no_codes_whatever_the_model(model: GridModel) -> None:
    codec = Codec(model)
    mu, logvar = codec.encode(np.zeros((0, 16, 16), np.uint8), refine=2)
    assert mu.shape == logvar.shape == (0, codec.latent_dim)
    assert codec.decode(mu).shape == (0, 16, 16)
    assert codec.pack(codec.latents(mu)).shape == mu.shape
    assert codec.logits(mu).shape == (0, 10, 16, 16)
    assert codec.sample(0).shape == codec.reconstruct(np.zeros((0, 16, 16), np.uint8)).shape == (0, 16, 16)


def test_no_grids_have_no_objects() -> None:
    codec = arcvae.load("atomic-objects")
    codes = codec.codes(np.zeros((0, 9, 7), np.uint8))
    assert (codes.shape, codec.decode(codes).shape, codec.logits(codes).shape) == ((0, 6, 11), (0, 9, 7), (0, 10, 9, 7))
    assert codec.sample(0).shape == (0, 16, 16)


@pytest.mark.parametrize("count", [0, 1, 1001])
def test_any_batch_size_comes_back_as_it_went_in(codec: Codec, count: int) -> None:
    grids = np.random.default_rng(0).integers(0, 10, (count, 16, 16)).astype(np.uint8)
    mu, logvar = codec.encode(grids)
    assert isinstance(mu, np.ndarray)
    assert mu.shape == logvar.shape == (count, 3)
    assert codec.decode(mu).shape == (count, 16, 16)
    tensors = codec.encode(torch.from_numpy(grids))
    assert isinstance(tensors[0], torch.Tensor)
    assert (tensors[0].numpy() == mu).all()
    assert codec.logits(mu).shape == (count, 10, 16, 16)
    assert (codec.logits(mu).argmax(1) == codec.decode(mu)).all()


def test_mirrored_and_turned_grids_are_grids(codec: Codec) -> None:
    grids = np.random.default_rng(0).integers(0, 10, (3, 16, 16)).astype(np.uint8)
    for view in (grids[:, ::-1], np.rot90(grids, axes=(1, 2)), grids[::-1]):
        assert (codec.encode(view)[0] == codec.encode(view.copy())[0]).all()


def test_single_grid_has_a_single_code(codec: Codec) -> None:
    grid = np.zeros((16, 16), np.uint8)
    assert codec.encode(grid)[0].shape == (3,)
    assert codec.decode(codec.encode(grid)[0]).shape == (16, 16)
    assert codec.reconstruct(grid).dtype == np.uint8


@pytest.mark.parametrize(
    ("grids", "message"),
    [
        (np.zeros((1, 16, 16)), "dtype torch.float64, expected whole numbers"),
        (np.zeros((1, 8, 8), np.uint8), r"shape \(1, 8, 8\), expected \(N, 16, 16\)"),
        (np.full((1, 16, 16), 10, np.uint8), "hold 10, expected colours 0-9"),
    ],
)
def test_what_is_no_grid_is_refused(codec: Codec, grids: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        codec.encode(grids)


@pytest.mark.parametrize(
    ("z", "message"),
    [
        (np.zeros((1, 4), np.float32), r"shape \(1, 4\), expected \(N, 3\)"),
        (np.full((1, 3), np.nan), "must be finite"),
        (np.zeros((1, 3), np.int64), "expected floating point"),
    ],
)
def test_what_is_no_code_is_refused(codec: Codec, z: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        codec.decode(z)


def test_decision_that_was_not_tuned_or_does_not_exist_is_refused(codec: Codec) -> None:
    with pytest.raises(CheckpointError, match="no tuned logit adjustment"):
        codec.sample(1, decision="adjusted")
    for decision in ("best", "corrected"):
        with pytest.raises(ValueError, match=r"must be 'argmax' or 'adjusted' \(formerly 'corrected'\)"):
            codec.sample(1, decision=decision)  # type: ignore[arg-type]


def test_adjusted_logits_are_shifted_by_tau_times_the_log_prior() -> None:
    model = BetaVAE(latent_dim=3, widths=[4, 4, 4], hidden=8)
    counts = [1000, *range(1, 10)]
    codec = Codec(model, logit_adjustment={"tau": -0.5, "class_counts": counts, "metric": "object_f1"})
    z = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
    shift = -0.5 * np.log(np.array(counts) / sum(counts))
    expected = codec.logits(z) + shift[:, None, None]
    np.testing.assert_allclose(codec.logits(z, "adjusted"), expected, rtol=1e-5, atol=1e-6)
    assert (codec.decode(z, "adjusted") == expected.argmax(1)).all()
    assert (codec.decode(z, "adjusted") != codec.decode(z)).any()


class AnySize(GridModel):
    """A model that encodes grids of any size: its code is the mean of each colour's plane."""

    def __init__(self) -> None:
        super().__init__(latent_dim=10, num_colors=10, grid_size=16)
        self.encoder = Shares()
        self.decoder = torch.nn.Sequential(torch.nn.Linear(10, 10), torch.nn.Unflatten(1, (10, 1, 1)))

    def accepts(self, height: int, width: int) -> bool:
        return height > 0 < width


class Shares(torch.nn.Module):
    def forward(self, grids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mu = one_hot(grids, 10).mean((2, 3))
        return mu, torch.zeros_like(mu)


def test_sizes_of_grids_are_up_to_the_model() -> None:
    codec = Codec(AnySize())
    for shape in ((2, 3, 7), (1, 30, 30)):
        mu, _ = codec.encode(np.full(shape, 4, np.uint8))
        assert (mu == np.eye(10)[4]).all()
    with pytest.raises(DataError, match=r"shape \(2, 3, 7, 1\)"):
        codec.encode(np.zeros((2, 3, 7, 1), np.uint8))


def test_ignored_cells_are_encoded_and_refined_as_such(codec: Codec) -> None:
    grids, _ = generate_grids("atomic", 20, seed=1)
    grids[:, 12:] = 255
    with pytest.raises(DataError, match="hold 255, expected colours 0-9"):
        codec.encode(grids)
    mu, _ = codec.encode(grids, ignore_index=255)
    assert np.array_equal(mu, codec.encode(np.where(grids == 255, 99, grids), ignore_index=99)[0])
    better, _ = codec.encode(grids, refine=5, ignore_index=255)
    counted = torch.from_numpy(grids[:, :12]).long()
    worse, cost = (
        torch.nn.functional.cross_entropy(torch.from_numpy(codec.logits(z)[:, :, :12]), counted).item()
        for z in (mu, better)
    )
    assert cost < worse
    assert np.array_equal(codec.reconstruct(grids, refine=5, ignore_index=255), codec.decode(better))
    grids[0, 0, 0] = 10
    with pytest.raises(DataError, match="hold 10, expected colours 0-9"):
        codec.encode(grids, ignore_index=255)


def test_objects_of_grids_with_ignored_cells_are_those_of_the_others() -> None:
    codec = Codec(ObjectsVAE(width=8))
    grids, _ = generate_grids("atomic", 5, seed=1)
    padded = np.full((5, 16, 20), 255, dtype=np.uint8)
    padded[:, :, :16] = grids
    with pytest.raises(DataError, match="hold 255, expected colours 0-9"):
        codec.codes(padded)
    codes = codec.codes(padded, ignore_index=255)
    assert np.array_equal(codes.numbers, codec.codes(grids).numbers)
    assert codes.size == (16, 20)
    refined = codec.codes(padded, 3, 255)
    assert np.array_equal(refined.flat, codec.encode(padded, 3, 255)[0])


def test_samples_follow_the_seed(codec: Codec) -> None:
    assert (codec.sample(4, seed=1) == codec.sample(4, seed=1)).all()


def test_half_of_a_model_does_half_of_the_work(run_folder: Path) -> None:
    with pytest.raises(CheckpointError, match=r"holds only the encoder and cannot decode; load vae_best\.pth"):
        arcvae.load(run_folder / "encoder.pth").sample(1)
    with pytest.raises(CheckpointError, match="holds only the decoder and cannot encode"):
        arcvae.load(run_folder / "decoder.pth").encode(np.zeros((1, 16, 16), np.uint8))


def test_files_that_the_manifest_does_not_know_are_refused(run_folder: Path, tmp_path: Path) -> None:
    for name in ("exports.json", "vae_best.safetensors"):
        shutil.copy(run_folder / name, tmp_path / name)
    arcvae.load(tmp_path / "vae_best.safetensors")
    content = bytearray((tmp_path / "vae_best.safetensors").read_bytes())
    content[-3] ^= 1  # a flipped bit in a weight, for which the format has no checksum
    (tmp_path / "vae_best.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match="is not the file that its run wrote"):
        arcvae.load(tmp_path / "vae_best.safetensors")


def test_export_and_its_twin_are_equal(run_folder: Path) -> None:
    for name in ("encoder", "decoder", "vae_best"):
        one, two = (arcvae.load(run_folder / f"{name}{suffix}") for suffix in (".pth", ".safetensors"))
        assert one.tau == two.tau
        states = one.model.state_dict(), two.model.state_dict()
        part = "" if name == "vae_best" else name
        assert all(torch.equal(states[0][key], states[1][key]) for key in states[0] if key.startswith(part))
    digests = json.loads((run_folder / "exports.json").read_text())["sha256"]
    assert len(digests) == 6


def test_model_of_the_user_needs_its_class(run_folder: Path, tmp_path: Path) -> None:
    from arcvae.io.tensors import load_torch, save_torch

    export = load_torch(run_folder / "vae_best.pth")
    export["model"] = {**export["model"], "_target_": "mine.Model"}
    save_torch(tmp_path / "mine.pth", export)
    with pytest.raises(CheckpointError, match=r"class mine\.Model, which is not arcvae's"):
        arcvae.load(tmp_path / "mine.pth")
    assert arcvae.load(tmp_path / "mine.pth", model=BetaVAE).sample(1).shape == (1, 16, 16)


def test_packed_codes_open_into_latents_and_close_again() -> None:
    codec = Codec(SpatialVAE(8, width=4, patch_width=8, digits=4))
    grids = np.random.default_rng(0).integers(0, 10, (5, 16, 16)).astype(np.uint8)
    mu, _ = codec.encode(grids)
    latents = codec.latents(mu)
    assert (mu.shape, latents.shape, latents.dtype) == ((5, 8), (5, 32), np.float32)
    assert np.allclose(codec.pack(latents), mu, atol=1e-5)
    assert codec.latents(mu[0]).shape == (32,)
    assert np.array_equal(codec.decode(codec.pack(torch.from_numpy(latents))).numpy(), codec.decode(mu))
    with pytest.raises(DataError, match=r"shape \(5, 8\), expected \(N, 32\)"):
        codec.pack(mu)
    plain = Codec(BetaVAE())
    z = np.ones((2, 10), np.float32)
    assert np.array_equal(plain.pack(plain.latents(z)), z)


def test_refined_codes_are_those_of_the_same_grids(codec: Codec) -> None:
    grids, _ = generate_grids("atomic", 50, seed=1)
    mu, logvar = codec.encode(grids)
    better, same = codec.encode(grids, refine=4)
    assert np.array_equal(logvar, same)
    assert better.shape == mu.shape
    wrong, fewer = ((codec.decode(z) != grids).sum() for z in (mu, better))
    assert fewer < wrong
    assert np.array_equal(codec.reconstruct(grids, refine=4), codec.decode(better))


@pytest.mark.slow
def test_model_that_comes_with_arcvae_reconstructs_grids_it_never_saw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    record = json.loads((WEIGHTS / "atomic-d10.json").read_text())
    weights = (WEIGHTS / "atomic-d10.safetensors").read_bytes()
    assert hashlib.sha256(weights).hexdigest() == record["sha256"]  # the figures are those of these weights
    assert len(weights) < 16e6
    codec = arcvae.load("atomic-d10")
    assert codec.latent_dim == 10
    grids, _ = generate_grids("atomic", 1000, seed=987)
    for decision, figures in (("argmax", "test"), ("adjusted", "test_at_tuned_decision")):
        decoded = codec.reconstruct(grids, decision=decision)
        hits = ((decoded == grids) & (grids > 0)).sum()
        f1 = 2 * hits / ((decoded > 0).sum() + (grids > 0).sum())
        assert f1 == pytest.approx(record[figures]["object_f1"], abs=0.1)  # this generator has other patterns
    exact = (codec.reconstruct(grids, refine=20) == grids).all((1, 2)).mean()
    assert exact == pytest.approx(record["test_refined"]["exact_match"], abs=0.1)


@pytest.mark.parametrize(("name", "numbers"), [("atomic-objects", 11), ("atomic-objects-20", 20)])
def test_models_of_objects_that_come_with_arcvae_do_what_they_say(name: str, numbers: int) -> None:
    record = json.loads((WEIGHTS / f"{name}.json").read_text())
    for suffix, digest in ((".safetensors", record["sha256"]), (".prior.safetensors", record["prior"]["sha256"])):
        content = (WEIGHTS / f"{name}{suffix}").read_bytes()
        assert hashlib.sha256(content).hexdigest() == digest
        assert len(content) < 4e6
    codec = arcvae.load(name)
    grids, _ = generate_grids("atomic", 1000, seed=987)
    codes = codec.codes(grids)
    assert codes.numbers.shape == (1000, 6, numbers)
    exact = (codec.decode(codes) == grids).all((1, 2)).mean()
    assert exact == pytest.approx(record["test"]["exact_match"], abs=0.02)
    drawn = Reference.of(generate_grids("atomic", 2000, seed=987)[0], 4).score(codec.sample(300))
    assert drawn["valid"] > 0.95
    assert drawn["novel"] > 0.9


@pytest.mark.slow
def test_model_that_comes_with_arcvae_draws_grids_of_objects() -> None:
    record = json.loads((WEIGHTS / "atomic-d10.json").read_text())["prior"]
    prior = (WEIGHTS / "atomic-d10.prior.safetensors").read_bytes()
    assert hashlib.sha256(prior).hexdigest() == record["sha256"]
    codec = arcvae.load("atomic-d10")
    reference = Reference.of(generate_grids("atomic", 2000, seed=987)[0], 4)
    drawn = reference.score(codec.sample(300))
    codec.code_prior = None
    normal = reference.score(codec.sample(300))
    assert drawn["valid"] == pytest.approx(record["samples"]["valid"], abs=0.12)
    assert normal["valid"] < 0.05
    assert drawn["novel"] > 0.9
    assert drawn["distinct"] > 0.95
    assert 8 < drawn["colored_cells"] < 25  # 17.6 in the corpus
    with pytest.raises(ValueError, match=r"temperature=0\.5 is that of a learned prior"):
        codec.sample(1, temperature=0.5)


def test_own_file_goes_before_a_model_of_the_same_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "atomic-d10").mkdir()
    with pytest.raises(CheckpointError, match="holds no exports"):
        arcvae.load("atomic-d10")


def test_codec_says_what_it_is_and_shows_grids_above_their_reconstruction() -> None:
    codec = arcvae.load("atomic-objects")
    assert repr(codec).startswith("<Codec ")
    assert "ObjectsVAE for 16 x 16 grids, up to 6 objects of 11 numbers, prior ObjectPrior" in repr(codec)
    grids, _ = generate_grids("atomic", 30, seed=0)
    figure = codec.show(grids, limit=7)
    assert figure.get_suptitle().endswith("of 7 grids exact")
    canvas = np.asarray(figure.axes[0].images[0].get_array())  # rows of grids, below each other with gaps between
    across = [slice(18 * column, 18 * column + 16) for column in range(7)]
    assert (np.stack([canvas[:16, columns] for columns in across]) == grids[:7]).all()
    assert (np.stack([canvas[20:36, columns] for columns in across]) == codec.reconstruct(grids[:7])).all()
    (texts,) = (axes.texts for axes in codec.show(grids[0].tolist()).axes)
    assert len(texts) == 1  # one grid, as a list
    with pytest.raises(DataError, match="there are no grids to show"):
        codec.show(grids[:0])


def test_lists_and_whole_numbers_of_any_type_are_grids() -> None:
    codec = arcvae.load("atomic-objects")
    grids, _ = generate_grids("atomic", 3, seed=0)
    mu, _ = codec.encode(grids)
    for given in (grids.tolist(), grids.astype(np.int64), grids.astype(np.int8), torch.as_tensor(grids).int()):
        assert (np.asarray(codec.encode(given)[0]) == mu).all()
        assert (codec.codes(given).flat == mu).all()
        assert (np.asarray(codec.reconstruct(given)) == codec.reconstruct(grids)).all()


def test_codes_of_objects_have_names_and_decode_on_any_size() -> None:
    torch.manual_seed(0)
    codec = Codec(ObjectsVAE(width=16))
    grids = generate_grids("atomic", 5, seed=0)[0]
    codes = codec.codes(grids)
    assert np.array_equal(codes.flat, codec.encode(grids)[0])
    assert (codes.size, codes[1:].size, codes.codec) == ((16, 16), (16, 16), codec)
    assert codec.codes(grids[0]).numbers.shape == (1, 6, 11)
    big = codec.decode(codes, size=(20, 30))
    assert big.shape == (5, 20, 30)
    assert np.array_equal(big[:, :16, :16], codec.decode(codes))
    assert codec.reconstruct(np.zeros((2, 7, 9), dtype=np.uint8)).shape == (2, 7, 9)
    assert codec.decode(codec.codes(np.zeros((2, 7, 9), dtype=np.uint8))).shape == (2, 7, 9)


def test_codes_of_objects_decode_with_any_number_of_slots_and_later_ones_cover() -> None:
    grids = generate_grids("atomic", 40, seed=2)[0]
    codec = Codec(perfect_vae(torch.from_numpy(grids)))
    codes = codec.codes(grids)
    assert np.array_equal(codec.decode(codes), codec.decode(codes.flat))
    # The same objects below themselves in other colours, and once more without any slot that is empty in all grids.
    below = codes.numbers.copy()
    below[..., 2] = np.where(codes.filled, 10 - codes.color, 0)
    doubled = np.concatenate([below, codes.numbers[:, : codes.filled.any(0).sum()]], 1)
    assert np.array_equal(codec.decode(ObjectCodes(doubled)), grids)
    with pytest.raises(DataError, match=r"codes have shape \(1, 4\), expected \(N, 22\)"):
        codec.decode(ObjectCodes(np.zeros((1, 2, 2), dtype=np.float32)))


def test_flat_codes_have_no_objects_and_one_size() -> None:
    codec = Codec(BetaVAE(widths=(8, 8), hidden=8))
    grids = np.zeros((2, 16, 16), dtype=np.uint8)
    with pytest.raises(CheckpointError, match="has codes without objects; use encode, or a model=objects"):
        codec.codes(grids)
    assert codec.encode(grids)[0].shape == (2, 10)
    assert Codec(ObjectsVAE(width=8)).codes(grids).size == (16, 16)
    with pytest.raises(DataError, match=r"size=\(10, 10\): this model draws grids of 16 x 16"):
        codec.decode(codec.encode(grids)[0], size=(10, 10))


def test_objects_without_a_slot_are_told_of_and_counted() -> None:
    codec = Codec(ObjectsVAE(slots=2, width=8))
    grids = np.zeros((3, 16, 16), dtype=np.uint8)
    for index, length in enumerate((2, 5, 3, 4)):
        grids[1, 3 * index, :length] = index + 1
    grids[2] = 7
    grids[2, 0, 0] = 0  # no longer four blocks
    with pytest.warns(
        UserWarning, match=r"^2 of 3 grids have objects that their codes leave out, too many or too large"
    ):
        codec.encode(grids)
    codes = codec.codes(grids)
    assert codes.left_out is not None
    assert codes.left_out.tolist() == [0, 2, 1]
    assert str(codes).splitlines()[-1] == "3 objects of 2 grids have no slot"
    assert codes[1:].replace(row=codes.row[1:] + 1).left_out.tolist() == [2, 1]  # type: ignore[union-attr]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        codec.encode(grids[:1])


def test_codes_from_anywhere_can_be_operated_on() -> None:
    codec = arcvae.load("atomic-objects")
    z = codec.sample_codes(4, seed=2)
    codes = codec.as_codes(z)
    assert (codes.shape, codes.size, codes.codec) == ((4, 6, 11), (16, 16), codec)
    assert np.array_equal(codec.decode(codes), codec.decode(z))
    moved = ops.translate(ops.rotate(codes, 180), dy=3, objects=ops.largest)
    assert (moved.row != codes.row).any()
    grids, _ = generate_grids("atomic", 4, seed=0)
    assert np.array_equal(codec.as_codes(codec.encode(grids)[0]).numbers, codec.codes(grids).numbers)
    assert codec.decode(codec.as_codes(codec.encode(grids)[0], size=(20, 16))).shape == (4, 20, 16)
    # As the page of a run saves it: the objects alone, each number as short as it can be.
    two = codes.numbers[codes.filled.sum(1) >= 2][0, :2]
    code = json.dumps({"size": [16, 16], "numbers": two.tolist(), "part_of": [0, 0]})
    saved = json.loads(code.replace(".0,", ","))
    found = codec.as_codes([saved["numbers"]], saved["size"], [saved["part_of"]])
    assert np.array_equal(found.numbers[0, :2], two)
    assert (found.size, ops.duplicate(found, dx=1).filled.sum(), found.first.sum()) == ((16, 16), 4, 1)
    with pytest.raises(CheckpointError, match="has codes without objects; use encode, or a model=objects"):
        Codec(BetaVAE(widths=(8, 8), hidden=8)).as_codes(np.zeros((1, 10)))
    with pytest.raises(DataError, match="expected floating point"):
        codec.as_codes(grids)


def test_codes_of_objects_have_logits_and_latents() -> None:
    codec = arcvae.load("atomic-objects")
    grids, _ = generate_grids("atomic", 4, seed=0)
    codes = codec.codes(np.pad(grids, ((0, 0), (0, 3), (0, 0))))
    many = ops.widened(ops.translate(codes, dx=2), 9)
    for given in (codes, many):
        logits = codec.logits(given)
        assert logits.shape == (4, 10, 19, 16)
        assert np.array_equal(logits.argmax(1), codec.decode(given))
    assert np.array_equal(codec.latents(codes), codec.latents(codes.flat))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["atomic-objects", "atomic-d10"])
def test_codec_does_the_same_wherever_its_model_is(name: str) -> None:
    here, (grids, _) = arcvae.load(name), generate_grids("atomic", 6, seed=0)
    z, figure = here.encode(grids)[0], here.show(grids)
    with elsewhere() as device:
        there = arcvae.load(name, device=str(device))
        assert there.device == device
        assert np.array_equal(there.encode(grids, refine=2)[0], here.encode(grids, refine=2)[0])
        assert np.array_equal(there.decode(z, "adjusted"), here.decode(z, "adjusted"))
        assert np.array_equal(there.logits(z), here.logits(z))
        assert np.array_equal(there.pack(there.latents(z)), here.pack(here.latents(z)))
        assert np.array_equal(there.sample(4, seed=1), here.sample(4, seed=1))
        for codec in (there, here):  # tensors come back to where they were, wherever the model is
            given = torch.from_numpy(grids).to(device)
            mu, _ = codec.encode(given, refine=2)
            assert mu.device == codec.decode(mu).device == codec.latents(mu).device == codec.logits(mu).device == device
            assert np.array_equal(codec.reconstruct(given).cpu(), here.reconstruct(grids))
            assert codec.show(given).get_suptitle() == figure.get_suptitle()
