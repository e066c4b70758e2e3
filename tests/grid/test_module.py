"""The grid task: its loss, its metrics against a plain loop, and what it says about itself."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Trainer
from sklearn.metrics import f1_score

from arcvae.errors import NonFiniteError
from arcvae.grid.callbacks import BetaAnnealing, choose, reconstruct
from arcvae.grid.corpus.data import GridDataModule
from arcvae.grid.elbo import Constant, LinearWarmup, gaussian_kl
from arcvae.grid.models.beta_vae import BetaVAE
from arcvae.grid.models.spatial import SpatialVAE
from arcvae.grid.module import GridModule
from arcvae.imbalance.losses import make_loss


def make(
    beta: float = 0.5,
    *,
    reduction: str = "sum",
    weights: list[float] | None = None,
    free_nats: float = 0.0,
    **kwargs: object,
) -> GridModule:
    return GridModule(
        BetaVAE(latent_dim=4, widths=[4, 4, 4], hidden=8),
        make_loss("focal", class_weights=weights, reduction=reduction),  # type: ignore[arg-type]
        partial(torch.optim.AdamW, lr=1e-3),
        beta=Constant(beta, free_nats),
        **kwargs,  # type: ignore[arg-type]
    )


def trainer_for(tmp_path: Path, **kwargs: object) -> Trainer:
    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    return Trainer(default_root_dir=tmp_path, accelerator="cpu", max_epochs=1, **(quiet | kwargs))  # type: ignore[arg-type]


GRIDS = torch.randint(10, (6, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def test_evaluation_loss_is_reconstruction_of_the_mean_plus_beta_kl_in_nats_per_grid() -> None:
    module = make(beta=0.5)
    output = module.step(GRIDS, "val")
    mu, logvar = module.model.encoder(GRIDS)
    kl = gaussian_kl(mu, logvar).sum(1).mean()
    reconstruction = module.loss(module.model.decoder(mu), GRIDS)
    assert output.loss.item() == pytest.approx((reconstruction + 0.5 * kl).item(), rel=1e-6)
    assert output.parts["kl"].item() == pytest.approx(kl.item(), rel=1e-6)


def test_training_decodes_a_sample_of_the_posterior() -> None:
    module = make()
    first, second = module.step(GRIDS, "train"), module.step(GRIDS, "train")
    assert not torch.equal(first.logits, second.logits)
    draws = torch.stack([module.step(GRIDS, "train").parts["kl"] for _ in range(3)])
    assert len(set(draws.tolist())) == 1  # the KL has no noise


def test_beta_zero_is_an_autoencoder_loss() -> None:
    output = make(beta=0.0).step(GRIDS, "val")
    assert output.loss.item() == output.parts["reconstruction"].item()


def test_free_nats_raise_the_loss_but_not_the_reported_kl() -> None:
    plain, floored = make(beta=1.0), make(beta=1.0, free_nats=50.0)
    floored.load_state_dict(plain.state_dict())
    a, b = plain.step(GRIDS, "val"), floored.step(GRIDS, "val")
    assert b.parts["kl"].item() == a.parts["kl"].item()
    assert b.loss.item() - b.parts["reconstruction"].item() == pytest.approx(4 * 50.0, rel=1e-5)


def test_mean_reduction_makes_beta_256_times_as_strong() -> None:
    assert make(beta=0.1).effective_beta == pytest.approx(0.1)
    assert make(beta=0.1, reduction="mean").effective_beta == pytest.approx(25.6)


@pytest.mark.parametrize(
    ("beta", "reduction", "weights", "warns"),
    [
        (0.1, "mean", [1.0] * 10, True),  # the effective beta of the run that collapsed
        (0.05, "mean", [1.0] * 10, False),
        (2.0, "sum", [1.0] * 10, False),
        (1.0, "sum", None, True),  # unweighted, objects mean too little to survive it
        (0.1, "sum", None, False),
    ],
)
def test_warning_where_runs_collapsed_before(
    beta: float, reduction: str, weights: list[float] | None, warns: bool
) -> None:
    notes = make(beta, reduction=reduction, weights=weights).notes()
    assert any(line.startswith("WARNING") for line in notes) == warns
    assert f"effective beta {beta * (256 if reduction == 'mean' else 1):g}" in notes[0]


def test_results_of_an_epoch_equal_a_plain_loop_over_all_grids(tmp_path: Path, tiny_corpus: Path) -> None:
    module, data = make(), GridDataModule(str(tiny_corpus), eval_batch_size=7, cache_dir=str(tmp_path))
    trainer_for(tmp_path).test(module, data, verbose=False)
    results = module.results["test"]
    grids = data.corpus.test
    decoded = torch.stack([module.model(torch.from_numpy(grid)[None])[0].argmax(0) for grid in grids]).numpy()
    colors = list(range(1, 10))
    assert results["object_f1"] == pytest.approx(
        f1_score(grids.ravel(), decoded.ravel(), labels=colors, average="micro", zero_division=0), abs=1e-9
    )
    assert results["pixel_accuracy"] == pytest.approx((grids == decoded).mean(), abs=1e-9)
    assert results["exact_match"] == pytest.approx((grids == decoded).all((1, 2)).mean(), abs=1e-9)
    mu, logvar = module.model.encoder(torch.from_numpy(grids))
    assert results["kl_per_dim"] == pytest.approx(gaussian_kl(mu, logvar).mean(0).tolist(), rel=1e-4)
    assert results["kl"] == pytest.approx(sum(results["kl_per_dim"]), rel=1e-4)  # type: ignore[arg-type]
    assert "accuracy" not in results


def test_verdict_names_both_collapses() -> None:
    module = make()
    black = {"predicted_background_share": 1.0, "object_recall": 0.0, "active_dims": 1}
    assert module.verdict(black) == {  # type: ignore[arg-type]
        "mode_collapse": True, "predicted_background_share": 1.0, "object_recall": 0.0,
        "posterior_collapse": True, "active_dims": 1, "latent_dim": 4,
    }  # fmt: skip
    alive = {"predicted_background_share": 0.995, "object_recall": 0.06, "active_dims": 2}
    verdict = module.verdict(alive)  # type: ignore[arg-type]
    assert verdict["mode_collapse"] is verdict["posterior_collapse"] is False


@pytest.mark.parametrize("collapsed", [True, False])
def test_collapse_of_packed_codes_is_found_although_their_rate_never_changes(
    tmp_path: Path, tiny_corpus: Path, collapsed: bool
) -> None:
    model = SpatialVAE(8, width=4, patch_width=8, digits=4)
    if collapsed:
        torch.nn.init.zeros_(model.encoder.latents.mu.weight)
    module = GridModule(model, make_loss("focal"), None, beta=Constant(0.1))  # type: ignore[arg-type]
    trainer_for(tmp_path).test(module, GridDataModule(str(tiny_corpus), cache_dir=str(tmp_path)), verbose=False)
    results = module.results["test"]
    assert results["kl"] == pytest.approx(8 * (4 * math.log(8) - 0.176), abs=0.01)
    assert (results["active_dims"] == 0) if collapsed else (results["active_dims"] > 4)  # type: ignore[operator]
    assert module.verdict(results)["posterior_collapse"] is collapsed
    assert bool(module.further_findings(results)) is collapsed


@pytest.mark.parametrize("poison", ["loss", "weights"])
def test_loss_that_is_not_finite_stops_training_and_is_named(tmp_path: Path, tiny_corpus: Path, poison: str) -> None:
    module, data = make(), GridDataModule(str(tiny_corpus), batch_size=64, cache_dir=str(tmp_path))
    if poison == "weights":
        torch.nn.init.constant_(module.model.decoder.convolutions[-1].bias, float("nan"))  # type: ignore[arg-type]
    else:
        torch.nn.init.constant_(module.model.encoder.logvar.bias, 1e4)
    with pytest.raises(
        NonFiniteError, match=r"at step 0 \(epoch 0; not finite: .*learning rate 0.001\): lower optimizer"
    ):
        trainer_for(tmp_path).fit(module, data)


def test_beta_follows_the_schedule_by_step(tmp_path: Path, tiny_corpus: Path) -> None:
    module = make()
    module.schedule = LinearWarmup(hold=0, ramp=1, maximum=0.9)
    seen = []

    class Spy(BetaAnnealing):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:  # type: ignore[no-untyped-def]
            super().on_train_batch_start(trainer, pl_module, batch, batch_idx)
            seen.append(pl_module.beta)

    data = GridDataModule(str(tiny_corpus), batch_size=64, cache_dir=str(tmp_path))
    trainer_for(tmp_path, callbacks=[Spy()]).fit(module, data)
    assert seen == pytest.approx([0.0, 0.3, 0.6])  # 192 grids: three steps


def test_reconstruction_is_deterministic_and_leaves_the_mode_alone() -> None:
    module = make().train()
    assert torch.equal(reconstruct(module, GRIDS), reconstruct(module, GRIDS))
    assert module.training
    assert torch.equal(reconstruct(module, GRIDS), module.model(GRIDS).argmax(1).to(torch.uint8))


def test_chosen_grids_are_different_ones_and_depend_on_the_seed() -> None:
    numbered = torch.arange(100)[:, None, None]
    assert torch.equal(choose(numbered, 10, 0), choose(numbered, 10, 0))
    assert not torch.equal(choose(numbered, 10, 0), choose(numbered, 10, 1))
    assert len(choose(numbered, 10, 0).unique()) == 10
    assert len(choose(numbered, 1000, 0)) == 100


def test_exports_rebuild_the_networks() -> None:
    module = make()
    exports = module.exports()
    assert set(exports) == {"encoder", "decoder", "vae_best"}
    fresh = BetaVAE(latent_dim=4, widths=[4, 4, 4], hidden=8)
    fresh.encoder.load_state_dict(exports["encoder"])
    fresh.decoder.load_state_dict(exports["decoder"])
    assert torch.equal(fresh(GRIDS), module.model(GRIDS))
