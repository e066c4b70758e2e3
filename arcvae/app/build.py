"""Building what a node of a config names: the one place where ``_target_`` is followed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import hydra.utils
from hydra.errors import InstantiationException

from arcvae.app.faults import misconfigurations
from arcvae.app.trust import trusted
from arcvae.errors import ArcvaeError, ConfigError
from arcvae.io.settings import leaves


@dataclass(frozen=True)
class Builder:
    """Builds what the nodes of a config name, if it is trusted: arcvae's, or from the plugins of that config."""

    plugins: Collection[str]
    """Modules of the user."""

    def __call__(self, key: str, node: Mapping[str, Any], /, **arguments: Any) -> Any:
        """Build a node.

        Args:
            key: Where in the config it is, for messages: ``"model"`` or ``"callbacks.checkpoint"``.
            node: Plain values, with a ``_target_``.
            **arguments: Passed on beside those of the node.

        Returns:
            The object, or a partial function when the node says ``_partial_: true``.

        Raises:
            ConfigError: The target may not be built, or does not accept the values.
        """
        target = node["_target_"]
        if not trusted(target, self.plugins):
            raise ConfigError(f"{key}._target_={target} is not among what may be built")
        self._require_trusted_inside(key, list(node.values()))
        _require_no_interpolation(key, node)
        wants_partial = bool(node.get("_partial_"))
        try:
            # Objects are passed to the result, not through Hydra, which would copy them.
            made = hydra.utils.instantiate({**node, "_partial_": True}, _convert_="all")
            if not trusted(f"{made.func.__module__}.{made.func.__qualname__}", self.plugins):
                raise ConfigError(f"{key}._target_={target} leads to something that may not be built")
            return partial(made, **arguments) if wants_partial else made(**arguments)
        except (ArcvaeError, OSError, MemoryError):
            raise
        except InstantiationException as error:
            raise ConfigError(f"{key}: cannot build {target}: {' '.join(str(error).split())}") from error
        except Exception as error:
            known = isinstance(error, (ValueError, TypeError, ModuleNotFoundError, *misconfigurations()))
            if not known and not target.startswith(("lightning.", "torch.", "torchmetrics.")):
                raise  # a bug of ours or of a plugin; these libraries refuse settings with whatever they like
            kind = "" if known else f"{type(error).__name__}: "
            raise ConfigError(f"{key}: {kind}{' '.join(str(error).split())}") from error

    def _require_trusted_inside(self, key: str, values: Sequence[Any]) -> None:
        """Look at what nested targets really are: a trusted module may itself hold others under its name."""
        for value in values:
            if isinstance(value, Mapping):
                if (target := value.get("_target_")) is not None:
                    found = hydra.utils.get_object(target) if trusted(target, self.plugins) else None
                    name = f"{getattr(found, '__module__', '')}.{getattr(found, '__qualname__', '')}"
                    if not trusted(name, self.plugins):
                        raise ConfigError(f"{key}: _target_={target} leads to something that may not be built")
                self._require_trusted_inside(key, list(value.values()))
            elif isinstance(value, list):
                self._require_trusted_inside(key, value)


def _require_no_interpolation(key: str, node: Mapping[str, Any]) -> None:
    """Hydra would resolve an interpolation in a value: one that is left in a config came from a file or the outside."""
    for path, value in leaves({"": node}):
        if "${" in str(value):
            name = ".".join((key, *path[1:]))
            raise ConfigError(f"{name}={value} is not resolved here: it would read what is not part of the config")
