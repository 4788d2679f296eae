"""Dice + cross entropy on organs of which some were not drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__all__ = ["partial_dice_ce"]


def partial_dice_ce(logits: torch.Tensor, truth: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """MONAI's Dice loss plus binary cross entropy, over the organs that somebody drew.

    An organ that the clinic did not contour is unknown, not background: it adds nothing. In a patch without an organ
    that is drawn elsewhere Dice has no meaning, only the cross entropy counts.

    Parameters
    ----------
    logits, truth:
        (batch, organ, k, j, i); truth 0 or 1.
    known:
        (batch, organ) bool, True where the organ was drawn in that patient.
    """
    import torch
    from monai.losses import DiceLoss

    logits = logits.float()
    dice = DiceLoss(sigmoid=True, reduction="none", smooth_nr=1.0, smooth_dr=1.0)(logits, truth)
    dice = dice.reshape(known.shape)
    present = known & (truth.flatten(2).amax(2) > 0)
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(logits, truth, reduction="none").flatten(2).mean(2)
    # Organs fill about a thousandth of a patch: the factor brings both terms to one size.
    return _mean_over(dice, present) + 20.0 * _mean_over(entropy, known)


def _mean_over(values: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    return (values * chosen).sum() / chosen.sum().clamp(min=1)
