"""The loss of the grid task, its metrics against a plain loop, and beta following the clock."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from sklearn.metrics import f1_score

from arcvae.errors import NonFiniteError
from arcvae.grid.corpus.data import GridDataModule
from arcvae.grid.elbo import Constant, LinearWarmup, gaussian_kl
from arcvae.grid.models.beta_vae import BetaVAE
from arcvae.grid.models.spatial import SpatialVAE
from arcvae.grid.module import GridModule
from arcvae.grid.task import GridTask
from arcvae.imbalance.losses import make_loss
from arcvae.training.clock import Clock, ClockCallback


def make(
    beta: float = 0.5, *, reduction: str = "sum", weights: list[float] | None = None, free_nats: float = 0.0,
    model: Any = None, fade: float = 0.0, seed: int = 0,
) -> GridModule:  # fmt: skip
    """A small module."""
    return GridModule(
        GridTask(),
        model or BetaVAE(latent_dim=4, widths=[4, 4, 4], hidden=8),
        make_loss("focal", class_weights=weights, reduction=reduction, fade=fade),  # type: ignore[arg-type]
        partial(torch.optim.AdamW, lr=1e-3),
        beta=Constant(beta, free_nats),
        seed=seed,
    )


def trainer_for(folder: Path, **settings: Any) -> Trainer:
    quiet = dict.fromkeys(
        ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False
    )  # fmt: skip
    callbacks = [ClockCallback(), *settings.pop("callbacks", ())]
    words = {"accelerator": "cpu", "max_epochs": 1} | quiet | settings
    return Trainer(default_root_dir=folder, callbacks=callbacks, **words)


GRIDS = torch.randint(10, (6, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def test_evaluation_loss_is_reconstruction_of_the_mean_plus_beta_kl_in_nats_per_grid() -> None:
    module = make(beta=0.5)
    output = module.step(GRIDS, "val")
    mu, logvar = module.model.encoder(GRIDS)
    kl = gaussian_kl(mu, logvar).sum(1).mean()
    reconstruction = module.loss(module.model.decoder(mu), GRIDS)
    assert output.loss.item() == pytest.approx((reconstruction + 0.5 * kl).item(), rel=1e-6)
    assert output.parts["kl"].item() == pytest.approx(kl.item(), rel=1e-6)
    assert output.vectors["kl_per_dim"].sum().item() == pytest.approx(kl.item(), rel=1e-6)
    assert torch.equal(output.target, GRIDS)


def test_training_decodes_a_sample_of_the_posterior() -> None:
    module = make()
    first, second = module.step(GRIDS, "train"), module.step(GRIDS, "train")
    assert not torch.equal(first.logits, second.logits)
    draws = torch.stack([module.step(GRIDS, "train").parts["kl"] for _ in range(3)])
    assert len(set(draws.tolist())) == 1  # the KL has no noise
    torch.manual_seed(5)
    once = module.step(GRIDS, "train").logits
    torch.manual_seed(5)
    mu, logvar = module.model.encoder(GRIDS)
    expected = module.model.decoder(mu + torch.randn_like(mu) * (0.5 * logvar).exp())
    assert torch.equal(once, expected)


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
    assert make(beta=0.1).beta_per_grid == make(beta=0.1).largest_beta_per_grid == pytest.approx(0.1)
    assert make(beta=0.1, reduction="mean").beta_per_grid == pytest.approx(25.6)
    # That is: the loss of a mean over cells, times the cells, is that of a sum with so much larger a beta.
    mean, total = make(beta=0.1, reduction="mean"), make(beta=25.6)
    total.load_state_dict(mean.state_dict())
    assert 256 * mean.step(GRIDS, "val").loss.item() == pytest.approx(total.step(GRIDS, "val").loss.item(), rel=1e-5)


@pytest.mark.parametrize("name", ["dice", "tversky", "lovasz"])
def test_reduction_of_a_loss_over_regions_leaves_beta_as_it_is(name: str) -> None:
    mean, total = make(beta=0.5), make(beta=0.5)
    mean.loss, total.loss = make_loss(name, reduction="mean"), make_loss(name)
    total.load_state_dict(mean.state_dict())
    assert mean.step(GRIDS, "val").loss.item() == total.step(GRIDS, "val").loss.item()
    assert mean.beta_per_grid == total.beta_per_grid == 0.5
    assert mean.largest_beta_per_grid == mean.beta_per_grid_of(0.5) == 0.5


def test_beta_is_that_of_the_clock_and_of_the_end_without_one() -> None:
    module = make()
    module.schedule = LinearWarmup(hold=0, ramp=4, maximum=0.8)
    for epoch, beta in ((0.0, 0.0), (1.0, 0.2), (2.5, 0.5), (4.0, 0.8), (9.0, 0.8)):
        module.set_clock(Clock(epoch=epoch, progress=0.5))
        assert module.beta == pytest.approx(beta)
    assert make(0.3).beta == pytest.approx(0.3)
    assert module.largest_beta_per_grid == pytest.approx(0.8)


def test_beta_follows_the_schedule_by_step(tmp_path: Path, tiny_corpus: Path) -> None:
    module, seen = make(), []
    module.schedule = LinearWarmup(hold=0, ramp=1, maximum=0.9)

    class Spy(Callback):
        def on_before_zero_grad(self, _: Any, pl_module: Any, __: Any) -> None:
            seen.append((pl_module.beta, pl_module.step_scalars["beta"]))

    data = GridDataModule(str(tiny_corpus), batch_size=64, cache_dir=str(tmp_path))
    trainer_for(tmp_path, callbacks=[Spy()]).fit(module, data)
    assert [beta for beta, _ in seen] == pytest.approx([0.0, 0.3, 0.6])  # 192 grids: three steps
    assert all(beta == logged for beta, logged in seen)


def test_objective_moves_as_long_as_beta_or_the_loss_does(tmp_path: Path) -> None:
    module = make(fade=0.5)
    module.trainer = trainer_for(tmp_path, max_epochs=20)
    module.schedule = LinearWarmup(hold=2, ramp=3, maximum=1.0)
    assert module.ramp_epochs == 10  # the loss fades over half of the epochs
    module.schedule = LinearWarmup(hold=2, ramp=13, maximum=1.0)
    assert module.ramp_epochs == 15


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


def test_code_variance_of_packed_codes_is_that_of_their_latents() -> None:
    module = make(model=SpatialVAE(8, width=4, patch_width=8, digits=2))
    output = module.step(GRIDS, "val")
    mu, _ = module.model.encoder(GRIDS)
    expected = mu.var(0, correction=0).view(-1, 8).mean(0)
    assert output.vectors["code_variance"].tolist() == pytest.approx(expected.tolist(), rel=1e-5)
    assert "code_variance" not in make().step(GRIDS, "val").vectors


@pytest.mark.parametrize("poison", ["loss", "weights"])
def test_loss_that_is_not_finite_stops_training_and_is_named(tmp_path: Path, tiny_corpus: Path, poison: str) -> None:
    module, data = make(), GridDataModule(str(tiny_corpus), batch_size=64, cache_dir=str(tmp_path))
    if poison == "weights":
        torch.nn.init.constant_(module.model.decoder.convolutions[-1].bias, float("nan"))  # type: ignore[union-attr,index,arg-type]
    else:
        torch.nn.init.constant_(module.model.encoder.logvar.bias, 1e4)  # type: ignore[union-attr,arg-type]
    message = r"at step 0 \(epoch 0; not finite: .*learning rate 0.001\): lower optimizer"
    with pytest.raises(NonFiniteError, match=message):
        trainer_for(tmp_path).fit(module, data)
