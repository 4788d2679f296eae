"""Budget and learning rate."""

from __future__ import annotations

import pytest
from Dose3DLib.training.schedule import Budget, cosine_with_warm_up


def test_budget_ends_with_whichever_comes_first():
    budget = Budget(minutes=1, steps=100)
    assert budget.spent(50, 6) == 0.5
    assert budget.spent(10, 45) == 0.75
    assert budget.spent(200, 600) == 1.0


def test_budget_needs_an_end():
    with pytest.raises(ValueError, match="minutes or steps"):
        Budget()


def test_rate_rises_then_falls_to_zero():
    rates = [cosine_with_warm_up(n / 1000) for n in range(1001)]
    top = rates.index(max(rates))
    assert 15 <= top <= 25
    assert rates[top] == pytest.approx(1)
    assert rates[-1] == pytest.approx(0, abs=1e-6)
    assert all(a >= b for a, b in zip(rates[top:], rates[top + 1 :], strict=False))
    assert min(rates[:-5]) > 0
