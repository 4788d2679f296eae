"""What a bundle says about its model: metadata in MONAI's form, and a model card for people."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import metadata
from typing import Any

from .photon_model import PhotonModel

__all__ = ["CITATIONS", "described", "model_card"]

CITATIONS: dict[str, str] = {
    "flow": "C. Durkan, A. Bekasov, I. Murray, G. Papamakarios: Neural spline flows. NeurIPS 2019",
    "distilled": "G. Hinton, O. Vinyals, J. Dean: Distilling the knowledge in a neural network. 2015",
    "beta-vae": "I. Higgins et al.: beta-VAE: Learning basic visual concepts with a constrained variational framework. "
    "ICLR 2017",
    "mkmmd-vae": "A. Gretton et al.: Optimal kernel choice for large-scale two-sample tests. NeurIPS 2012",
    "mmd-wae": "I. Tolstikhin, O. Bousquet, S. Gelly, B. Schoelkopf: Wasserstein auto-encoders. ICLR 2018",
    "info-vae": "S. Zhao, J. Song, S. Ermon: InfoVAE: Information maximizing variational autoencoders. 2017",
    "gan": "D. Sarrut, N. Krah, J.M. Letang: Generative adversarial networks (GAN) for compact beam source modelling "
    "in Monte Carlo simulations. Phys Med Biol 64 (2019) 215004",
}
"""Where each model comes from."""

_LIMITS = (
    "It knows the beam of its training file and no other: another energy, machine, field or plane needs a model of its "
    "own. Photons are independent of one another, those of a real history are not. More photons than the training file "
    "holds do not lower the statistical uncertainty that it left in the model. Research use only, no clinical use."
)


def described(model: PhotonModel, name: str, files: Sequence[Mapping[str, Any]], run: Mapping[str, Any]) -> PhotonModel:
    """The model with its metadata complete.

    Parameters
    ----------
    files:
        name, sha256, photons, histories and title of each training file.
    run:
        minutes, steps, seed, device of the training.
    """
    import torch

    own = {**model.facts, "files": [dict(one) for one in files], "training": dict(run),
           "coordinate_system": "x, y, z in the frame of the training file, z downstream"}  # fmt: skip
    facts = {
        "version": "0.1.0",
        "changelog": {"0.1.0": "first model"},
        "pytorch_version": torch.__version__,
        "python_version": platform.python_version(),
        "required_packages_version": {name: metadata.version(name) for name in ("safetensors", "zuko")},
        "name": name,
        "task": "Photons of a linear accelerator in a plane below the head",
        "description": f"{model.kind} in {model.coordinates.frame} coordinates: {', '.join(model.coordinates.names)}",
        "authors": "made with Dose3D (project POIR.04.04.00-00-15E5/18)",
        "data_type": "photons: X, Y [cm], dX, dY, dZ, E [MeV]",
        "intended_use": "Research only: a source of photons for Monte Carlo codes. No clinical use.",
        "references": [CITATIONS[model.kind]],
        "dose3d": own,
    }
    return replace(model, name=name, metadata=facts)


def model_card(model: PhotonModel) -> str:
    """The card in Markdown."""
    facts, place = model.facts, model.coordinates
    lines = [
        f"# {model.name}",
        "",
        f"A generator of photons ({model.kind}), made with Dose3D. For research only.",
        "",
        "## What it makes",
        "",
        f"- Photons in the plane z = {place.plane_cm:g} cm, X and Y in cm, a unit vector, energy up to "
        f"{place.highest_mev:.4g} MeV, each of weight {model.weight:.6g}.",
        f"- {_normalisation(model)}",
        f"- {_lines(model)}",
        *(f"- Condition: {c.name}, {c.lowest:g} to {c.highest:g}." for c in model.conditions),
        f"- Right by construction: {', '.join(model.by_construction) or 'nothing'}.",
        "",
        "## What it learned from",
        "",
        *(_file(one) for one in facts["files"]),
        f"- {_left_out(facts['left_out'])}",
        f"- {_run(facts['training'])}",
        "",
        "## Limits",
        "",
        _LIMITS,
        "",
        "## Where it comes from",
        "",
        *(f"- {reference}" for reference in model.metadata["references"]),
    ]
    return "\n".join(lines) + "\n"


def _normalisation(model: PhotonModel) -> str:
    share = model.histories_per_photon
    if share is None:
        return "How many primary particles a photon stands for is not known: a training file did not say."
    return f"A photon stands for {share:.6g} primary particles."


def _lines(model: PhotonModel) -> str:
    place = model.coordinates
    if not len(place.lines):
        return "No sharp line of the spectrum is kept."
    pairs = zip(place.lines.tolist(), place.line_shares, strict=True)
    found = (f"{1000 * energy:.5g} keV ({100 * share:.3g} %)" for energy, share in pairs)
    return f"Sharp lines of the spectrum, kept exactly: {', '.join(found)}."


def _file(one: Mapping[str, Any]) -> str:
    histories = "an unknown number of" if one["histories"] is None else f"{one['histories']:,}"
    title = f' "{one["title"]}"' if one["title"] else ""
    return f"- {one['name']}{title}: {one['particles']:,} particles of {histories} histories, SHA-256 {one['sha256']}."


def _left_out(shares: Mapping[str, float]) -> str:
    if not shares["particle_share"]:
        return (
            "The training files held photons only, so what the beam has besides (electrons, positrons, their dose to "
            "the skin) is missing, and how much that is cannot be told from them."
        )
    particles, energy = 100 * shares["particle_share"], 100 * shares["energy_share"]
    return (
        f"Left out: {particles:.3g} % of the particles with {energy:.3g} % of the energy, which are no photons. Their "
        "dose to the skin is missing, too, unless they are carried over (`phsp generate --others`)."
    )


def _run(run: Mapping[str, Any]) -> str:
    return f"Trained for {run['minutes']:g} min, {run['steps']:,} steps, seed {run['seed']}, on {run['device']}."
