"""The module of clips: its loss, what it takes over from the train split, and figures that equal a plain loop."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from sklearn.metrics import accuracy_score, f1_score

from arcvae.audio.corpus.augment import Augmentation
from arcvae.audio.corpus.data import AudioDataModule
from arcvae.audio.model import AudioCNN
from arcvae.audio.module import AudioModule
from arcvae.audio.task import AudioTask
from arcvae.imbalance.losses import make_loss, registered_losses
from arcvae.imbalance.settings import DENSE
from arcvae.io.tensors import load_torch
from arcvae.training.checkpoint import AtomicCheckpointIO
from arcvae.training.mid_epoch import ExactResume
from tests.conftest import same
from tests.training.tiny import trainer


def make(num_classes: int = 4, **loss: object) -> AudioModule:
    return AudioModule(
        AudioTask(),
        AudioCNN(num_classes, widths=[4, 4]),
        make_loss("focal", **loss),  # type: ignore[arg-type]
        partial(torch.optim.AdamW, lr=1e-3),
    )


def test_loss_is_the_mean_over_clips_whatever_the_reduction() -> None:
    clips, labels = torch.randn(6, 20, 500), torch.tensor([0, 1, 2, 3, 0, 0])
    weights = [0.5, 1.0, 2.0, 4.0]
    module = make(class_weights=weights, gamma=2.0).eval()
    log_p = module.model(clips).log_softmax(1)
    by_hand = sum(
        -weights[label] * (1 - log_p[i, label].exp()) ** 2 * log_p[i, label] for i, label in enumerate(labels.tolist())
    )
    assert module.step((clips, labels), "val").loss.item() == pytest.approx(by_hand.item() / 6, rel=1e-5)
    mean = make(class_weights=weights, gamma=2.0, reduction="mean").eval()
    mean.load_state_dict(module.state_dict())
    assert mean.step((clips, labels), "val").loss.item() == pytest.approx(by_hand.item() / 6, rel=1e-5)


def test_results_of_an_epoch_equal_a_plain_loop_over_all_clips(tmp_path: Path, tiny_clips: Path) -> None:
    module, data = make(), AudioDataModule(str(tiny_clips), eval_batch_size=5, cache_dir=str(tmp_path))
    fit = trainer(tmp_path, max_epochs=1)
    fit.fit(module, data)
    fit.test(module, data, verbose=False)
    module.eval()
    clips = torch.from_numpy(data.corpus.features["test"]).float()
    with torch.no_grad():
        predicted = torch.cat([module.model(clip[None]) for clip in clips]).argmax(1).numpy()
    labels, results = data.targets("test").numpy(), module.results["test"]
    present = sorted(set(labels.tolist()))
    assert results["accuracy"] == pytest.approx(accuracy_score(labels, predicted))
    for average in ("macro", "weighted"):
        expected = f1_score(labels, predicted, labels=present, average=average, zero_division=0)
        assert results[f"f1_{average}"] == pytest.approx(expected)
    each = f1_score(labels, predicted, labels=present, average=None, zero_division=0)
    assert [results["per_class_f1"][index] for index in present] == pytest.approx(each.tolist())  # type: ignore[index]


def test_fit_takes_over_statistics_and_counts_of_the_train_split(tmp_path: Path, tiny_clips: Path) -> None:
    module, data = make(), AudioDataModule(str(tiny_clips), cache_dir=str(tmp_path))
    fit = trainer(tmp_path, max_epochs=1)
    fit.fit(module, data)
    mean, deviation = data.statistics
    assert torch.equal(module.model.mean, mean)
    assert torch.equal(module.model.deviation, deviation)
    assert module.train_counts.tolist() == data.class_counts.tolist()
    # Evaluation on other clips keeps what was learned from.
    other = AudioDataModule(str(tiny_clips), cache_dir=str(tmp_path))
    other.statistics = (mean + 1, deviation)
    trainer(tmp_path).validate(module, other, verbose=False)
    assert torch.equal(module.state_dict()["model.mean"], mean)


def test_dropout_draws_by_seed_and_batch(tmp_path: Path, tiny_clips: Path) -> None:
    def losses(seed: int) -> torch.Tensor:
        torch.manual_seed(5)
        model, loss = AudioCNN(4, widths=[4, 4], dropout=0.5), make_loss("cross_entropy")
        optimizer = partial(torch.optim.SGD, lr=0.01)
        module = AudioModule(AudioTask(), model, loss, optimizer, seed=seed)
        torch.rand(3 * seed)
        trainer(tmp_path, max_epochs=1).fit(module, AudioDataModule(str(tiny_clips), cache_dir=str(tmp_path)))
        found: torch.Tensor = module.state_dict()["model.classifier.1.weight"]
        return found

    assert torch.equal(losses(1), losses(1))
    assert not torch.equal(losses(1), losses(2))


@pytest.mark.parametrize("name", sorted({*registered_losses()} - {*DENSE}))
@pytest.mark.parametrize("head", ["linear", "cosine"])
def test_every_loss_of_single_labels_learns_clips(name: str, head: str) -> None:
    torch.manual_seed(1)
    model = AudioCNN(4, widths=[4, 4], head=head, scale=5.0)
    assert model.cosine_scale == (5.0 if head == "cosine" else None)
    if name == "ldam" and head == "linear":
        with pytest.raises(ValueError, match="needs the logits of a cosine head"):
            make_loss(name, class_counts=[40, 9, 3, 1], cosine_scale=model.cosine_scale)
        return
    loss = make_loss(name, class_counts=[40, 9, 3, 1], cosine_scale=model.cosine_scale)
    module = AudioModule(AudioTask(), model, loss, partial(torch.optim.AdamW, lr=1e-2))
    labels = torch.tensor([0, 0, 0, 1, 2, 3])
    clips = torch.randn(6, 20, 64) + 2 * labels[:, None, None]
    optimizer, costs = torch.optim.AdamW(module.parameters(), lr=1e-2), []
    for _ in range(15):
        cost = module.step((clips, labels), "train").loss
        optimizer.zero_grad()
        cost.backward()
        optimizer.step()
        costs.append(cost.item())
    assert costs[-1] < costs[0]


EVERY = {"masks": 2, "mixup": 0.2, "shift": 100, "noise": 0.1}


def test_mixup_mixes_the_losses_of_both_labels_in_training_alone() -> None:
    clips, labels = torch.randn(6, 20, 500), torch.tensor([0, 1, 2, 3, 0, 1])
    module = make(class_weights=[0.5, 1.0, 2.0, 4.0], gamma=2.0).eval()
    plain = module.step((clips, labels), "train").loss
    module.augmentation = Augmentation(mixup=20.0)
    assert torch.equal(module.step((clips, labels), "val").loss, plain)
    torch.manual_seed(3)
    found = module.step((clips, labels), "train")
    torch.manual_seed(3)
    seed = int(torch.randint(2**62, ()))
    mixed = module.augmentation(clips, labels, module.model.mean, module.model.deviation, seed)
    assert mixed.partners is not None
    assert 0.5 < mixed.share < 0.99
    logits = module.model(mixed.features)
    expected = mixed.share * module.loss(logits, labels) + (1 - mixed.share) * module.loss(logits, mixed.partners)
    assert torch.equal(found.loss, expected)
    assert torch.equal(found.logits, logits)
    assert torch.equal(found.target, labels)


def test_run_that_goes_on_within_an_epoch_draws_the_same_augmentation(tmp_path: Path, tiny_clips: Path) -> None:
    def fit(name: str, start: Path | None = None, **augmentation: float) -> dict[str, torch.Tensor]:
        torch.manual_seed(5)
        model = AudioCNN(4, widths=[4, 4], dropout=0.5)
        module = AudioModule(AudioTask(), model, make_loss("cross_entropy"), partial(torch.optim.Adam, lr=0.01), seed=7)
        data = AudioDataModule(str(tiny_clips), cache_dir=str(tmp_path), batch_size=16, **augmentation)  # type: ignore[arg-type]
        saved: list[Path] = []

        class Save(Callback):
            def on_train_batch_end(self, run: Trainer, *_: object) -> None:
                if run.global_step == 6 and start is None:
                    run.save_checkpoint(tmp_path / f"{name}.ckpt")
                    saved.append(tmp_path / f"{name}.ckpt")

        run = trainer(
            tmp_path, ExactResume(), Save(), max_epochs=3, enable_checkpointing=True, plugins=[AtomicCheckpointIO()]
        )
        run.fit(module, data, ckpt_path=start)
        return {key: value.clone() for key, value in module.state_dict().items()}

    whole = fit("whole", **EVERY)
    assert load_torch(tmp_path / "whole.ckpt")["loops"]["fit_loop"]["epoch_loop.batch_progress"]["current"]["ready"] < 4
    torch.rand(11)
    assert same(whole, fit("resumed", tmp_path / "whole.ckpt", **EVERY))
    assert not same(whole, fit("plain"))  # the control: augmentation does something
