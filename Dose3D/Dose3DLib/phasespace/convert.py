"""Particles of phase spaces through cut, filters, plane and rotation, and what the header of the result says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from .filters import HistoryKeeper, Selection, is_possible
from .particles import SPECIES, Particles
from .phase_space import CHUNK, PhaseSpace
from .transform import ROOM, Rotation, reaches_plane, to_plane
from .write import FileFacts

__all__ = ["Conversion", "Plan", "facts_of"]

_LATENT = (
    "Each particle stands in the file {} times: statistical errors of doses look smaller than they are, since the "
    "variance of the original particles (latent variance) stays."
)


@dataclass(frozen=True)
class Plan:
    """What is done, in this order: cut, filters, plane, rotation; all of it `passes` times.

    Parameters
    ----------
    selection:
        what is kept, judged in the frame of the input.
    first, count:
        particles that are passed over, and how many are taken at most (None: all); of all inputs in their order.
    plane_cm:
        z to which particles are carried, None for theirs.
    rotation:
        into the treatment room, or None.
    passes:
        how often each particle is written.
    """

    selection: Selection = field(default_factory=Selection)
    first: int = 0
    count: int | None = None
    plane_cm: float | None = None
    rotation: Rotation | None = None
    passes: int = 1


class Conversion:
    """Particles of the sources as the plan makes them; counts what is left out while they pass.

    Attributes
    ----------
    left_out:
        records by reason: "filtered", "impossible", "never reach the plane".
    written:
        particles by species name.
    highest_mev:
        of the photons and others that were read, 0 where there was none.
    """

    def __init__(self, sources: Sequence[PhaseSpace], plan: Plan):
        self.sources, self.plan = tuple(sources), plan
        self.left_out: Counter[str] = Counter()
        self.written: Counter[str] = Counter()
        self.highest_mev = 0.0
        self._extras = common_extras(self.sources)

    @property
    def total(self) -> int:
        """Records to read, all passes together."""
        return self.plan.passes * sum(stop - start for _, (start, stop) in self.parts())

    def chunks(self, report: Callable[[int], None] = lambda read: None) -> Iterator[Particles]:
        """All pieces in order; `report` hears of the records read so far."""
        read = 0
        for _ in range(self.plan.passes):
            for source, (start, stop) in self.parts():
                keeper = HistoryKeeper()
                for at in range(start, stop, CHUNK):
                    chunk = source.read(at, min(at + CHUNK, stop))
                    read += len(chunk)
                    yield self._changed(chunk, keeper)
                    report(read)

    def histories(self) -> int | None:
        """Original histories of the result: those of all sources, by the share of their records that is taken."""
        taken = [(source, stop - start) for source, (start, stop) in self.parts() if stop > start]
        shares = [(source.histories, number / source.count) for source, number in taken]
        if not shares or any(number is None for number, _ in shares):
            return None
        return self.plan.passes * sum(number if share == 1 else max(1, round(number * share))
                                      for number, share in shares)  # fmt: skip

    def parts(self) -> list[tuple[PhaseSpace, tuple[int, int]]]:
        """Each source with start and stop of what the cut takes of it."""
        plan, parts, before = self.plan, [], 0
        last = np.inf if plan.count is None else plan.first + plan.count
        for source in self.sources:
            start, stop = (int(min(max(end - before, 0), source.count)) for end in (plan.first, last))
            parts.append((source, (start, max(start, stop))))
            before += source.count
        return parts

    def _changed(self, chunk: Particles, keeper: HistoryKeeper) -> Particles:
        chunk = replace(chunk, extras={name: chunk.extras[name] for name, _ in self._extras})
        self.highest_mev = max(self.highest_mev, float(np.nan_to_num(chunk.energy, posinf=0).max(initial=0)))
        possible = is_possible(chunk)
        chosen = possible & self.plan.selection.mask(chunk)
        good = np.count_nonzero(chosen)
        self.left_out["impossible"] += len(chunk) - int(np.count_nonzero(possible))
        self.left_out["filtered"] += int(np.count_nonzero(possible) - good)
        if self.plan.plane_cm is not None:
            chosen &= reaches_plane(chunk, self.plan.plane_cm)
            self.left_out["never reach the plane"] += int(good - np.count_nonzero(chosen))
        chunk = _unit(keeper.select(chunk, chosen))
        for code, number in enumerate(np.bincount(chunk.species)):
            if number:
                self.written[SPECIES[code]] += int(number)
        return self._moved(chunk)

    def _moved(self, chunk: Particles) -> Particles:
        if self.plan.plane_cm is not None:
            chunk = to_plane(chunk, self.plan.plane_cm)
        return chunk if self.plan.rotation is None else self.plan.rotation.apply(chunk)


def facts_of(conversion: Conversion, title: str = "", byte_order: str = "little") -> FileFacts:
    """What the result's header says: the first source's words, the sums of histories, and what was done."""
    sources, plan = conversion.sources, conversion.plan
    rotation = plan.rotation
    title = title or sources[0].title
    if plan.passes > 1:
        title = f"{title} (recycled {plan.passes} times)".strip()
    return FileFacts(
        title=title,
        histories=conversion.histories(),
        coordinate_system=ROOM if rotation else sources[0].coordinate_system,
        notes=tuple(_notes(conversion)),
        constants=_constants(sources, plan),
        extras=common_extras(sources),
        texts=dict(sources[0].header),
        byte_order=byte_order,
    )


def common_extras(sources: Sequence[PhaseSpace]) -> tuple[tuple[str, str], ...]:
    """Name and type of the extra values that all sources have."""
    kinds = [{name: values.dtype.name for name, values in source.read(0, 1).extras.items()} for source in sources]
    return tuple((name, kind) for name, kind in kinds[0].items() if all(other.get(name) == kind for other in kinds))


def _constants(sources: Sequence[PhaseSpace], plan: Plan) -> dict[str, float]:
    """What all particles share still, after all that is done to them."""
    first, *others = [dict(source.constants) for source in sources]
    shared = {name: value for name, value in first.items() if all(other.get(name) == value for other in others)}
    if plan.plane_cm is not None:
        shared = {name: value for name, value in shared.items() if name not in "xy"} | {"z": plan.plane_cm}
    return {name: value for name, value in shared.items() if not plan.rotation or name == "weight"}


def _notes(conversion: Conversion) -> list[str]:
    sources, plan = conversion.sources, conversion.plan
    notes = [f"Converted by Dose3D from {' and '.join(source.files[0].name for source in sources)}."]
    if any(start > 0 or stop < source.count for source, (start, stop) in conversion.parts()):
        notes.append(f"A part of the input: {conversion.total // plan.passes} particles from number {plan.first} on; "
                     "the original histories are scaled.")  # fmt: skip
    if words := plan.selection.words():
        notes.append(f"Kept: {words}. Filters leave the number of original histories as it is.")
    if plan.plane_cm is not None:
        notes.append(f"Carried along straight lines to z = {plan.plane_cm:g} cm.")
    if plan.rotation:
        notes.append(f"{plan.rotation.words()}.")
    if plan.passes > 1:
        notes.append(_LATENT.format(plan.passes))
    return notes


def _unit(particles: Particles) -> Particles:
    """Directions that are a little off brought to length 1: formats keep two of the three cosines."""
    length = np.sqrt(sum(getattr(particles, name).astype(np.float64) ** 2 for name in "uvw"))
    if not len(particles) or np.abs(length - 1).max() < 1e-6:
        return particles
    return replace(particles, **{name: (getattr(particles, name) / length).astype(np.float32) for name in "uvw"})
