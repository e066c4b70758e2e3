"""The grid task: grids to codes and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from arcvae.errors import ConfigError
from arcvae.grid.findings import (
    ACTIVE_NATS,
    ACTIVE_VARIANCE,
    COLLAPSED,
    COLLAPSED_UNWEIGHTED,
    active_entries,
    few_exact,
    painting,
    posterior_collapse,
    worse_than_cells,
)
from arcvae.grid.settings import WHOLE_MODEL, model_problems
from arcvae.training.course import Course
from arcvae.training.findings import Finding
from arcvae.training.measurement import Measurement
from arcvae.training.page.parts import PagePart
from arcvae.training.task import Results, Task, Value

if TYPE_CHECKING:  # torch takes seconds to import, and a config is checked before
    from arcvae.grid.codec import Codec
    from arcvae.grid.corpus.data import GridDataModule
    from arcvae.grid.module import GridModule


class GridTask(Task["GridModule", "GridDataModule"]):
    """A beta-VAE that reconstructs grids; the majority class is the background."""

    name = "grids"
    sample_unit = "grids"
    element_unit = "cells"
    background = 0
    parts = ("beta",)
    main_export = WHOLE_MODEL
    renamed: ClassVar[Mapping[str, str]] = {"accuracy": "pixel_accuracy"}
    further_names = ("active_dims", "beta")
    trivial_name = "all-background"
    collapse_metrics = ("predicted_background_share", "object_recall")
    adjustment_metric = "object_f1"
    data_of_evaluation: ClassVar[Mapping[str, Any]] = {"overfit_grids": 0, "fresh": False}
    study_settings = ("refine", "importance_samples")
    headline = (
        "pixel_accuracy", "object_recall", "object_precision", "object_f1", "balanced_accuracy", "mean_iou",
        "exact_match", "kl", "active_dims",
    )  # fmt: skip

    def check_corpus(self, data: Mapping[str, Any], model: Mapping[str, Any]) -> None:
        from arcvae.grid.corpus.files import read_corpus

        found, wanted = read_corpus(data["path"], max_bytes=data["max_bytes"]).grid_size, model.get("grid_size")
        if wanted not in (None, found):
            remedy = "set it to that"
            if problems := model_problems({**model, "grid_size": found}):  # of a model that fits the corpus no better
                remedy = f"this model cannot: {problems[0]}; model=objects takes grids of any size"
            raise ConfigError(f"model.grid_size={wanted} but {data['path']} has {found}; {remedy}")

    def model_on(self, data: GridDataModule, model: Mapping[str, Any]) -> Mapping[str, Any]:
        """Of the size of these grids, if the model serves any."""
        from arcvae.grid.models import model_class

        found = model_class(str(model.get("_target_")))
        return {**model, **data.model_settings} if found is not None and found.any_size else model

    def build_module(
        self, model: Any, loss: Any, optimizer: Any, scheduler: Any, *, seed: int, **parts: Any
    ) -> GridModule:
        from arcvae.grid.models.base import GridModel
        from arcvae.grid.module import GridModule

        if not isinstance(model, GridModel):
            raise TypeError(
                f"{type(model).__name__} of model._target_ is not a subclass of arcvae.grid.models.base.GridModel; "
                "CONTRIBUTING.md shows how to write one"
            )
        return GridModule(self, model, loss, optimizer, scheduler, seed=seed, **parts)

    def notes(self, module: GridModule, data: GridDataModule) -> list[str]:
        """Overfit mode, how strong the KL is, and a warning where that strength ended badly before."""
        unweighted = module.loss.class_weights is None
        lines = []
        if data.overfit_grids:
            lines.append(f"Overfit mode: {data.overfit_grids} training grids, class weights from the whole train split")
            if unweighted:
                lines.append(
                    "WARNING: overfit mode without class weights: background alone scores about 93 % pixel accuracy"
                )
        schedule, beta = module.schedule, module.largest_beta_per_grid
        if module.loss.registered.over != "element":
            return [
                *lines,
                f"KL weight: beta up to {schedule.maximum:g} ({type(schedule).__name__}) against a loss that is no "
                "likelihood: its size and beta.maximum say together what a code may hold",
            ]
        lines.append(
            f"KL weight: beta up to {schedule.maximum:g} ({type(schedule).__name__}) against a {module.loss.reduction} "
            f"over {module.model.grid_size**2} cells: {beta:g} against nats per grid"
        )
        free = schedule.free_nats * len(module.model.kl_names)
        if free:
            lines.append(f"KL floor: {free:g} nats per grid cost nothing; dimensions count as active at that already")
        limit = COLLAPSED_UNWEIGHTED if unweighted else COLLAPSED
        if beta >= limit and not free:
            lines.append(
                f"WARNING: runs with a beta of {limit:g} against nats per grid collapsed before; lower beta.maximum"
                + (" or use loss.reduction=sum" if module.loss.reduction == "mean" else "")
            )
        return lines

    def further_results(self, results: Mapping[str, Value], module: GridModule) -> Results:
        """The number of active dimensions among those that are inferred, and beta."""
        active = self._active(results, module)
        return {} if active is None else {"active_dims": active, "beta": module.beta}

    def trivial_results(self, module: GridModule) -> Results:
        """The code of a predictor that looks at nothing."""
        return {"kl": 0.0, "kl_per_dim": [0.0] * len(module.model.kl_names), "active_dims": 0}

    def verdict(self, results: Mapping[str, Value], module: GridModule) -> dict[str, Any]:
        """Mode collapse, and posterior collapse: fewer than half of the inferred dimensions carry information.

        Places and colours of objects are found, so that they always do: of such codes the shapes count.
        """
        active, inferred = self._active(results, module) or 0, module.model.inferred_entries
        return super().verdict(results, module) | {
            "posterior_collapse": 2 * active < len(inferred),
            "active_dims": active,
            "latent_dim": len(inferred),
        }

    @staticmethod
    def _active(results: Mapping[str, Value], module: GridModule) -> int | None:
        """How many of the inferred dimensions carry information."""
        every = active_entries(results)
        return None if every is None else sum(every[index] for index in module.model.inferred_entries)

    def findings(
        self, results: Mapping[str, Any], module: GridModule, verdict: Mapping[str, Any], course: Course
    ) -> list[Finding]:
        """Those of any task; objects painted too large or left out; posterior collapse; codes that save no bits."""
        found = super().findings(results, module, verdict, course)
        if not verdict["mode_collapse"]:
            found = painting(results["object_recall"], results["object_precision"], course) + found
        found = found or few_exact(results["exact_match"], course)
        if likelihood := results.get("likelihood"):
            prior = "aggregate" if module.model.slots is None else "objects"
            found += worse_than_cells(likelihood, course, prior)
        if verdict["posterior_collapse"]:
            beta = module.beta_per_grid_of(course.last("val/beta"))
            empty = posterior_collapse(
                self._evidence_of_collapse(results, module, verdict),
                course,
                beta=beta,
                largest_beta=module.largest_beta_per_grid,
                ramp_epochs=module.schedule.ramp_epochs,
                mean_reduction=module.loss.means_over_elements,
            )
            if beta >= COLLAPSED:  # an empty code explains everything else
                found = [replace(one, cause=empty.cause, remedy=empty.remedy) for one in found]
            found.append(empty)
        return found

    @staticmethod
    def _evidence_of_collapse(results: Mapping[str, Any], module: GridModule, verdict: Mapping[str, Any]) -> str:
        """What shows that a code says nothing."""
        dimensions = "dimensions"
        evidence = (
            f"carry more than {ACTIVE_NATS} nats ({results['kl']:.2f} nats per grid in all): "
            "the decoder ignores the code"
        )
        if module.model.slots is not None:
            dimensions = "numbers of a shape"
            evidence = f"carry more than {ACTIVE_NATS} nats: objects are where they belong, and their shapes are lost"
        if "code_variance" in results:
            evidence = f"vary over grids (variance above {ACTIVE_VARIANCE}): the code says nothing"
        return f"{verdict['active_dims']} of {verdict['latent_dim']} {dimensions} {evidence}"

    def study(self, *arguments: Any, **options: Any) -> dict[str, Any]:
        """Likelihood, codes, traversals and interpolations; see :func:`arcvae.grid.analysis.study.study`."""
        from arcvae.grid.analysis.study import study

        return study(*arguments, **options)

    def exports(self, module: GridModule) -> dict[str, dict[str, Any]]:
        """The networks, apart and together."""
        model = module.model
        encoder, decoder = model.encoder.state_dict(), model.decoder.state_dict()
        return {"encoder": encoder, "decoder": decoder, WHOLE_MODEL: model.state_dict()}

    def load(self, export: Mapping[str, Any], path: Path, *, device: str = "cpu", **options: Any) -> Codec:
        """A codec; takes ``model``, ``prior`` and ``operators`` as :func:`arcvae.load` does."""
        from arcvae.grid.opening import load_codec

        return load_codec(export, path, device=device, **options)

    def draw(
        self, module: GridModule, data: GridDataModule, settings: Mapping[str, Any], source: Any, folder: Path,
        adjustment: Mapping[str, Any] | None,
    ) -> dict[str, Any]:  # fmt: skip
        """Grids decoded from codes of ``source``, scored against the train split."""
        from arcvae.grid.analysis.drawing import draw_grids

        return draw_grids(module.model, data, settings, source, folder, adjustment)

    def operate(
        self, module: GridModule, data: GridDataModule, settings: Mapping[str, Any], training: Any, folder: Path
    ) -> dict[str, Any]:
        """Operators on the numbers of shapes; see :mod:`arcvae.grid.codes.operators`."""
        from arcvae.grid.operations.operator_figures import make_operators

        return make_operators(module.model, data, settings, training, folder)

    def keep_for_page(self, module: GridModule, data: GridDataModule, folder: Path, seed: int) -> None:
        """The prior that the explorer draws from."""
        from arcvae.grid.page.explorer import keep_prior

        keep_prior(module.model, data.splits["train"], folder, seed)

    def page_parts(self, model: Codec, folder: Path | None) -> Sequence[PagePart]:
        """The explorer, for codes of objects."""
        from arcvae.grid.page.explorer import explorer_part

        part = explorer_part(model, folder)
        return () if part is None else (part,)

    def comparison_pictures(
        self, runs: Mapping[str, Sequence[Path]], records: Mapping[str, Sequence[Any]]
    ) -> Mapping[str, Callable[[], Any]]:
        """The same validation grids as each variant reconstructs them."""
        from arcvae.grid.analysis.comparison import reconstructions_figure

        if not all((run / f"{WHOLE_MODEL}.pth").is_file() for variant in runs.values() for run in variant):
            return {}
        return {"reconstructions": lambda: reconstructions_figure(runs, records)}

    def measurement(self, name: str) -> Measurement:
        """``operations``: the benchmark of operations on codes. ``transforms``: whether three are visible in codes."""
        from arcvae.grid.benchmarks.measurements import MEASUREMENTS

        return MEASUREMENTS[name]() if name in MEASUREMENTS else super().measurement(name)
