"""Photons of a model, block by block, into a file of any format: constant memory, whatever their number."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import Dose3DLib

from ..core.progress import Progress
from .others import Others, mixed
from .particles import Particles
from .photons import PHOTON
from .write import FileFacts, Writer

if TYPE_CHECKING:
    import torch

    from .photon_model import PhotonModel

__all__ = ["Order", "cores", "histories_of", "header_facts", "particles_of", "photon_iterator", "write_photons"]

_REPORT_SECONDS = 0.25
_LARGEST_TITLE = 80


@dataclass(frozen=True)
class Order:
    """What is to be generated.

    Parameters
    ----------
    count:
        photons.
    seed:
        of all chance: the same seed gives the same photons, and fewer of them are the first of more.
    device:
        torch's name of the processor that computes.
    conditions:
        values of the model's conditions, in its order; none for a model without.
    threads:
        blocks that are computed at the same time on the processor; the photons do not depend on it.
    """

    count: int
    seed: int
    device: str = "cpu"
    conditions: tuple[float, ...] = ()
    threads: int = 1


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def photon_iterator(
    model: PhotonModel, count: int, seed: int, device: str = "cpu", conditions: tuple[float, ...] = (), threads: int = 1
) -> Iterator[Particles]:
    """Blocks of a model's photons, `count` in all, in the plane of the model (cm, MeV, unit vectors).

    Each photon starts a history: they are independent. Arrays of what all photons share are read-only.

    Raises
    ------
    InputError
        as `PhotonModel.blocks`.
    """
    order = Order(count, seed, device, conditions, threads)
    blocks = _blocks_at_once(model, order) if threads > 1 and device == "cpu" else _blocks_in_turn(model, order)
    for block in blocks:
        yield particles_of(block.cpu().numpy(), model.plane_cm, model.weight)


def _blocks_in_turn(model: PhotonModel, order: Order) -> Iterator[torch.Tensor]:
    blocks = model.blocks(order.seed, order.count, order.device, order.conditions)
    while True:
        with _one_thread_each():
            block = next(blocks, None)
        if block is None:
            return
        yield block


def _blocks_at_once(model: PhotonModel, order: Order) -> Iterator[torch.Tensor]:
    """The same blocks in the same order, several in work."""
    from .photon_model import BLOCK

    def made(number: int) -> torch.Tensor:
        block = model.block(order.seed, number, order.device, order.conditions)
        return block[: order.count - number * BLOCK]

    pending = deque()
    with _one_thread_each(), ThreadPoolExecutor(order.threads) as pool:
        try:
            for number in range(-(-order.count // BLOCK)):
                pending.append(pool.submit(made, number))
                if len(pending) > order.threads:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for block in pending:
                block.cancel()


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """torch splits each operation among threads that wait for one another.

    For networks as small as these that gains little on an idle machine, and on a busy one it takes forty times as long.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def particles_of(photons: np.ndarray, plane_cm: float, weight: float) -> Particles:
    """Photons (n, 6) of columns `photons.RAW` as particles, nothing copied; what all share takes no memory."""
    x, y, u, v, w, energy = photons.T

    def shared(value: Any) -> np.ndarray:
        return np.broadcast_to(value, len(photons))

    z, weights = shared(np.float32(plane_cm)), shared(np.float32(weight))
    return Particles(shared(np.int8(PHOTON)), energy, x, y, z, u, v, w, weights, shared(np.True_))


def histories_of(model: PhotonModel, count: int) -> int | None:
    """Original histories that so many generated photons stand for, as many each as in the training file, at least 1.

    None for a model whose training file did not say.
    """
    share = model.histories_per_photon
    return None if share is None else max(1, round(count * share))


def write_photons(model: PhotonModel, order: Order, writer: Writer, others: Others | None, progress: Progress) -> int:
    """Write an order's photons, with others among them; gives the number of particles written.

    Progress says photons and photons per second; a cancel arrives between two blocks.
    """
    meter, written, done = _Meter(order.count, progress), 0, 0
    for block in photon_iterator(model, order.count, order.seed, order.device, order.conditions, order.threads):
        count = len(block)
        if others is not None:
            places, found = others.between(done, done + count)
            block = mixed(block, places - done, found)
        writer.write(block)
        done, written = done + count, written + len(block)
        meter.advance(done)
    return written


class _Meter:
    """Reports a few times a second, however fast blocks come."""

    def __init__(self, count: int, progress: Progress):
        self._count, self._progress = count, progress
        self._start = self._last = time.monotonic()

    def advance(self, done: int) -> None:
        self._progress.check()
        now = time.monotonic()
        if now - self._last < _REPORT_SECONDS and done < self._count:
            return
        self._last = now
        rate = done / max(now - self._start, 1e-9)
        self._progress.report(
            done / self._count, f"{done:,} of {self._count:,} photons, {float(f'{rate:.3g}'):,.0f} a second"
        )


def header_facts(model: PhotonModel, order: Order, others: Others | None = None) -> FileFacts:
    """What the file says about itself: generated, by what, from what, what is missing, for research only."""
    constants = {"z": float(model.plane_cm)}
    if others is None or bool((others.pool.particles.weight == np.float32(model.weight)).all()):
        constants["weight"] = float(model.weight)
    return FileFacts(
        title=f"Generated by Dose3D, not simulated: model {model.name}, {order.count} photons"[:_LARGEST_TITLE],
        histories=histories_of(model, order.count),
        coordinate_system=str(model.facts.get("coordinate_system", "")),
        notes=_notes(model, order, others),
        constants=constants,
        count=order.count + (others.count(order.count) if others else 0),
    )


def _notes(model: PhotonModel, order: Order, others: Others | None) -> tuple[str, ...]:
    pairs = zip(model.conditions, order.conditions, strict=True)
    given = "".join(f", {condition.name} {value:g}" for condition, value in pairs)
    files = model.facts.get("files", [])
    return (
        f"Generated, not simulated: Dose3D {Dose3DLib.__version__}, phsp generate, model {model.name}, "
        f"{order.count} photons, seed {order.seed}{given}.",
        *(f"The model learned from {one['name']}, SHA-256 {one['sha256']}." for one in files),
        f"Each photon is independent and starts a history. {_normalisation(model)}",
        _left_out_note(model.facts, others),
        "For research use only.",
    )


def _normalisation(model: PhotonModel) -> str:
    share = model.histories_per_photon
    if share is None:
        return "How many original histories a photon stands for is not known: the training file did not say."
    return f"Original histories are the photons times {share:.6g}, the histories a photon of the training file."


def _left_out_note(facts: dict[str, Any], others: Others | None) -> str:
    """What a model of photons leaves out, or what was carried over instead."""
    if others is not None:
        pool = others.pool
        note = (
            f"Electrons, positrons and others ({others.rate:.4g} a photon) were drawn with replacement from the "
            f"{pool.count} of {pool.name}, with their weights, and mixed in at random places."
        )
        kept = len(pool.particles)
        return note if kept == pool.count else f"{note} They were drawn from a random choice of {kept} of them."
    return f"Photons only. {_left_out(facts.get('left_out') or {})}"


def _left_out(shares: dict[str, Any]) -> str:
    """Shares of the training file that are no photons, in words; unknown ones are not made up."""
    meanings = {"particle_share": "of the particles", "energy_share": "of the energy",
                "skin_dose_share": "of the skin dose"}  # fmt: skip
    known = [f"{100 * shares[name]:.3g} % {words}" for name, words in meanings.items() if shares.get(name)]
    if not known:
        return (
            "The training file held nothing else: how much of the beam and of the skin dose is left out is not known."
        )
    skin = "" if shares.get("skin_dose_share") else "; the dose that they give to the skin is missing, too"
    return f"Left out are electrons, positrons and others, {', '.join(known)} of the training file{skin}."
