"""Logit adjustment: scores corrected by the class frequencies, after training.

Class weights teach a model ``w_c p_c`` in place of the probability ``p_c``. With weights ``w_c = pi_c ** -s``, where
``pi_c`` is the share of class c in the train split, its logits are too high by ``-s log pi_c``, and it predicts rare
classes too often. Adding ``tau log pi_c`` with tau = s undoes that: tau is 1 for ``inverse`` weights, 1/2 for
``sqrt_inverse``, 0 without weights. Focal loss biases the logits in a way that has no such formula, so tau is chosen on
the validation split (:class:`~arcvae.imbalance.tau_tuner.TauTuner`).

The same holds for what else favours rare classes in training. The logits of ``loss=logit_adjusted`` are too high by
``-tau log pi``, those of ``balanced_softmax`` by that with tau 1, and samplers that draw class j like ``n_j ** q`` have
the effect of weights with s = 1 - q: adjusted with that tau, the probabilities are those of the train split again.
Without it the calibration error and the likelihood of such a model are bad by construction, and the plain
argmax is what these losses are for. For ``vs``, ``ldam``, Dice, Tversky and Lovász there is no such tau: what is tuned
improves decisions, and makes no likelihood of them.

The sign of tau: adjusted logits are ``z + tau log pi`` here, so tau > 0 favours frequent classes and undoes weights.
Menon et al. 2021 write ``z - tau log pi`` for a model that was trained *without* weights and shall favour rare classes:
their tau is the negative of this one.
"""

from __future__ import annotations

import torch
from numpy.typing import ArrayLike
from torch import Tensor


def log_prior(counts: ArrayLike | Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Log share of each class in the train split, in nats.

    Args:
        counts: Elements of each class, ``(C,)``, >= 0; a class that never occurs counts as if it occurred once.
        dtype: Of the result.

    Returns:
        ``(C,)``, finite, <= 0.

    Example:
        >>> log_prior([3, 1]).exp()
        tensor([0.7500, 0.2500])
    """
    n = torch.as_tensor(counts)
    # An Apple GPU has no float64.
    n = n.to(torch.float32 if n.device.type == "mps" else torch.float64).clamp_min(1)
    return (n / n.sum()).log().to(dtype)


def adjust_logits(logits: Tensor, log_prior: Tensor, tau: float) -> Tensor:
    """``logits + tau * log_prior``.

    Args:
        logits: ``(N, C, *)``.
        log_prior: ``(C,)``, nats; see :func:`log_prior`.
        tau: 0 changes nothing; above 0 favours frequent classes, below 0 rare ones. The negative of the tau of
            Menon et al., see the module.

    Returns:
        ``(N, C, *)``.

    References:
        Menon et al. 2021, "Long-tail learning via logit adjustment", section 4.1. https://arxiv.org/abs/2007.07314

    Example:
        >>> adjust_logits(torch.tensor([[0.0, 1.0]]), log_prior([9, 1]), 0.5).argmax(1)  # log 9 / 2 = 1.10 > 1
        tensor([0])
    """
    if not tau:
        return logits
    return logits + tau * log_prior.to(logits).view(1, -1, *[1] * (logits.ndim - 2))
