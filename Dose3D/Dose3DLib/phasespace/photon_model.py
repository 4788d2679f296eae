"""A trained model of photons: its bundle, and the photons it makes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..bundles.folder import first_line, open_folder
from ..bundles.write import write_bundle
from ..core.errors import InputError
from .coordinates import Coordinates
from .model_facts import check_coordinates, check_facts
from .models.registry import model_class
from .photons import is_usable

if TYPE_CHECKING:
    import torch

    from .models.base import GenerativeModel

__all__ = ["BLOCK", "CALIBRATION_POINTS", "UNITS", "Condition", "PhotonModel", "calibrated", "load_model", "save_model"]

BLOCK = 1 << 16
"""Photons of a block; block n of a seed is the same whatever is asked for besides."""

UNITS = {"length": "cm", "energy": "MeV"}

_PIECE = 1 << 13
"""Photons computed at a time: what lies between the layers of a small network then stays in the processor's cache."""
_MOST_ROUNDS = 50
CALIBRATION_POINTS = 1 << 19
_CALIBRATION_STREAM = 1 << 40
"""A block that nobody generates."""


@dataclass(frozen=True)
class Condition:
    """A number that the training files differed in: its name with unit, and the range that was learned."""

    name: str
    lowest: float
    highest: float

    def scaled(self, value: float) -> float:
        """-1..1 over the learned range, as the network sees it."""
        half = (self.highest - self.lowest) / 2
        return (value - self.lowest - half) / half


@dataclass(frozen=True, eq=False)
class PhotonModel:
    """A network with what makes photons of its output.

    Parameters
    ----------
    name:
        of the bundle's folder.
    kind:
        key of `models.registry.MODELS`.
    metadata:
        the bundle's `configs/metadata.json`; `dose3d` holds histories a photon, weight, what was left out ...
    """

    name: str
    kind: str
    coordinates: Coordinates
    network: GenerativeModel
    metadata: dict[str, Any]

    @property
    def facts(self) -> dict[str, Any]:
        return self.metadata["dose3d"]

    @property
    def plane_cm(self) -> float:
        """z of the photons."""
        return self.coordinates.plane_cm

    @property
    def histories_per_photon(self) -> float | None:
        """Primary particles of the training file a photon, the normalisation; None where the file did not say."""
        return self.facts.get("histories_per_photon")

    @property
    def weight(self) -> float:
        """Statistical weight of each photon."""
        return float(self.facts.get("weight", 1.0))

    @property
    def conditions(self) -> tuple[Condition, ...]:
        return tuple(Condition(**one) for one in self.facts.get("conditions", []))

    @property
    def by_construction(self) -> tuple[str, ...]:
        """Marginals that are right whatever the network learned, for the comparison. A conditional model has none."""
        return () if self.conditions else self.coordinates.by_construction

    def tensor(self, count: int, seed: int = 0, device: str = "cpu", conditions: Sequence[float] = ()) -> torch.Tensor:
        """`count` photons, float32 (count, 6), columns `photons.RAW`, on a device."""
        import torch

        blocks = list(self.blocks(seed, count, device, conditions))
        return torch.cat(blocks) if blocks else torch.empty((0, 6), device=device)

    def blocks(
        self, seed: int, count: int, device: str = "cpu", conditions: Sequence[float] = ()
    ) -> Iterator[torch.Tensor]:
        """`count` photons in pieces of at most `BLOCK`, each float32 (n, 6) on the device.

        The first n photons of a seed are the same whatever the count. Impossible photons are drawn again.

        Raises
        ------
        InputError
            another number of conditions than the model has, one out of the learned range, or a network that makes
            nearly nothing possible.
        """
        given = self._scaled(conditions)
        network = self.network.to(device).eval()
        for number in range(-(-count // BLOCK)):
            yield self._block(network, seed, number, given, device)[: count - number * BLOCK]

    def block(self, seed: int, number: int, device: str = "cpu", conditions: Sequence[float] = ()) -> torch.Tensor:
        """Block `number` of a seed, whole, float32 (BLOCK, 6): for those who compute several at once.

        Raises
        ------
        InputError
            as `blocks`.
        """
        return self._block(self.network.to(device).eval(), seed, number, self._scaled(conditions), device)

    def reconstruct(self, photons: np.ndarray, seed: int = 0, conditions: Sequence[float] = ()) -> np.ndarray:
        """Real photons (n, 6) encoded and decoded again; photons that come out impossible are left out.

        Raises
        ------
        NotImplementedError
            a network without an encoder.
        """
        import torch

        points, lines = self.coordinates.encode(photons[is_usable(photons)], np.random.default_rng(seed))
        context = torch.cat([torch.from_numpy(lines), self._repeated(self._scaled(conditions), len(lines), "cpu")], 1)
        with torch.inference_mode():
            decoded = self.network.cpu().eval().reconstruct(torch.from_numpy(points), context)
            found, possible = self.coordinates.decode(decoded, context)
        return found[possible].numpy()

    def _scaled(self, values: Sequence[float]) -> tuple[float, ...]:
        wanted = self.conditions
        if len(values) != len(wanted):
            names = ", ".join(f"{c.name} ({c.lowest:g} to {c.highest:g})" for c in wanted) or "no condition"
            raise InputError(self.name, f"needs {names}; {len(values)} given", "give one value each with --condition")
        for value, condition in zip(values, wanted, strict=True):
            if not condition.lowest <= value <= condition.highest:
                cause = f"{condition.name} {value:g} is outside what was learned"
                raise InputError(self.name, cause, f"give {condition.lowest:g} to {condition.highest:g}")
        return tuple(c.scaled(v) for v, c in zip(values, wanted, strict=True))

    def _block(
        self, network: GenerativeModel, seed: int, number: int, given: tuple[float, ...], device: str
    ) -> torch.Tensor:
        """A whole block. Rounds of draws follow one another in one stream until it is full."""
        import torch

        generator = torch.Generator(device).manual_seed(_stream(seed, number))
        found = torch.empty((BLOCK, 6), device=device)
        filled, wanted = 0, BLOCK
        with torch.inference_mode():
            for _ in range(_MOST_ROUNDS):
                for start in range(0, wanted, _PIECE):
                    photons = self._draw(network, min(_PIECE, wanted - start), generator, given)
                    photons = photons[: BLOCK - filled]
                    found[filled : filled + len(photons)] = photons
                    filled += len(photons)
                if filled == BLOCK:
                    return found
                wanted = BLOCK - filled
        remedy = "train it longer, or with --coordinates physics"
        raise InputError(self.name, "makes nearly no possible photons", remedy)

    def _draw(
        self, network: GenerativeModel, count: int, generator: torch.Generator, given: tuple[float, ...]
    ) -> torch.Tensor:
        """The possible ones of `count` draws."""
        import torch

        device = generator.device
        context = self._context(count, generator, given)
        noise = torch.randn((count, network.latent_size), generator=generator, device=device)
        photons, possible = self.coordinates.decode(network.sample(noise, context), context)
        return photons if possible.all() else photons[possible]

    def _context(self, count: int, generator: torch.Generator, given: tuple[float, ...]) -> torch.Tensor:
        """Classes are drawn by their shares; conditions are the same for all."""
        import torch

        classes = self.coordinates.draw_context(count, generator, given)
        return torch.cat([classes, self._repeated(given, count, generator.device)], dim=1) if given else classes

    @staticmethod
    def _repeated(given: tuple[float, ...], count: int, device: Any) -> torch.Tensor:
        import torch

        return torch.tensor(given, device=device, dtype=torch.float32).expand(count, len(given))


def calibrated(model: PhotonModel, seed: int = 0, points: int = CALIBRATION_POINTS) -> PhotonModel:
    """The model with coordinates whose marginal distributions are right; as it is where files differ by a condition.

    They are as right as the ranks of so many `points` of the network are.
    """
    import torch

    if model.conditions or not model.coordinates.tables:
        return model
    network = model.network.eval()
    device = next(network.parameters()).device.type
    generator = torch.Generator(device).manual_seed(_stream(seed, _CALIBRATION_STREAM))
    made, contexts = [], []
    with torch.inference_mode():
        for _ in range(-(-points // _PIECE)):
            contexts.append(model.coordinates.draw_context(_PIECE, generator))
            noise = torch.randn((_PIECE, network.latent_size), generator=generator, device=device)
            made.append(network.sample(noise, contexts[-1]).cpu())
    found = model.coordinates.calibrated(torch.cat(made).numpy(), torch.cat(contexts).cpu().numpy())
    return replace(model, coordinates=found)


def load_model(name_or_path: str | Path) -> PhotonModel:
    """The shipped model of that name, or the one in a folder.

    Raises
    ------
    InputError
        no such model, one of another kind or other units, an incomplete or damaged one.
    """
    from safetensors.numpy import load

    folder = open_folder(name_or_path, "phase_space")
    facts = folder.metadata["dose3d"]
    if facts.get("units") != UNITS:
        cause = f"is a model for other units ({facts.get('units')})"
        raise InputError(folder.path, cause, "train it again, in cm and MeV")
    check_facts(folder.path, facts)
    weights = folder.weights()
    try:
        arrays = load(weights)
        tables = {name.removeprefix("table."): v for name, v in arrays.items() if name.startswith("table.")}
        coordinates = Coordinates.from_dict(facts["coordinates"], tables)
        check_coordinates(folder.path, coordinates, len(facts.get("conditions", [])))
        network = _network(facts, coordinates, arrays)
    except InputError:
        raise
    except Exception as error:  # foreign metadata and weights fail in all kinds of ways
        cause = f"network and weights do not fit ({first_line(error)})"
        raise InputError(folder.path, cause, "get the bundle again") from error
    return PhotonModel(folder.path.name, facts["model"], coordinates, network, folder.metadata)


def save_model(path: Path, model: PhotonModel, card: str, licence: str, overwrite: bool = False) -> None:
    """Write a model as a bundle; card in Markdown."""
    import torch

    state = {f"network.{name}": v.detach().cpu().contiguous() for name, v in model.network.state_dict().items()}
    state |= {f"table.{name}": torch.from_numpy(values) for name, values in model.coordinates.arrays().items()}
    kind = type(model.network)
    definition = {
        "_target_": f"{kind.__module__}.{kind.__qualname__}",
        "size": model.coordinates.size,
        "context": model.network.context,
        "options": model.network.options,
    }
    own = {**model.facts, "kind": "phase_space", "model": model.kind, "options": model.network.options,
           "units": UNITS, "coordinates": model.coordinates.to_dict()}  # fmt: skip
    write_bundle(path, state, definition, {**model.metadata, "dose3d": own}, card, licence, overwrite=overwrite)


def _network(facts: dict[str, Any], coordinates: Coordinates, arrays: dict[str, np.ndarray]) -> GenerativeModel:
    import torch

    context = coordinates.context + len(facts.get("conditions", []))
    network = model_class(facts["model"])(coordinates.size, context, facts["options"])
    state = {n.removeprefix("network."): torch.from_numpy(v) for n, v in arrays.items() if n.startswith("network.")}
    network.load_state_dict(state)
    return network.eval()


def _stream(seed: int, number: int) -> int:
    """A seed of 63 bits of its own for each block of each seed."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1, np.uint64)[0] >> np.uint64(1))
