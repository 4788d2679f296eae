"""Bundles: what is written can be run; what is damaged, pickled or code is refused."""

from __future__ import annotations

import hashlib
import json
import pickle

import pytest
import torch
from Dose3DLib.bundles.bundle import find_bundle
from Dose3DLib.bundles.folder import shipped_bundles
from Dose3DLib.bundles.write import halved, write_bundle
from Dose3DLib.core.errors import InputError
from monai.networks.nets import UNet

NETWORK = {
    "_target_": "UNet", "spatial_dims": 3, "in_channels": 1, "out_channels": 2, "channels": [4, 8], "strides": [2],
}  # fmt: skip
METADATA = {
    "version": "1.2.3",
    "network_data_format": {"outputs": {"pred": {"channel_def": {"0": "Brainstem", "1": "SpinalCord"}}}},
    "dose3d": {
        "input": {
            "spacing_mm": [2.5, 3, 3],
            "resolution_mm": [2.5, 4, 4],
            "window_hu": [-1000, 1400],
            "center_hu": -100.0,
            "scale_hu": 300.0,
        },
        "patch": [16, 16, 16],
        "region": "a head-and-neck CT",
        "expected": {"organs": {}, "offsets_mm": {}},
    },
}


@pytest.fixture
def bundle_path(tmp_path):
    network = UNet(**{key: value for key, value in NETWORK.items() if key != "_target_"})
    write_bundle(tmp_path / "tiny", halved(network), NETWORK, METADATA, "# tiny", "CC0")
    return tmp_path / "tiny"


def change_config(path, **changes):
    config = path / "configs" / "inference.json"
    content = json.loads(config.read_text())
    content["network_def"].update(changes)
    config.write_text(json.dumps(content))


def test_written_bundle_runs_as_the_network_did(tmp_path):
    network = UNet(**{key: value for key, value in NETWORK.items() if key != "_target_"}).eval()
    write_bundle(tmp_path / "tiny", halved(network), NETWORK, METADATA, "# tiny", "CC0")
    bundle = find_bundle(tmp_path / "tiny")
    image = torch.randn(1, 1, 16, 16, 16, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected, found = network(image), bundle.network()(image)
    assert torch.allclose(expected, found, atol=0.01)
    assert bundle.organs == ("Brainstem", "SpinalCord")
    assert bundle.version == "1.2.3"


def test_existing_bundle_is_not_replaced(bundle_path):
    with pytest.raises(Exception, match="exists already"):
        write_bundle(bundle_path, halved(UNet(3, 1, 2, [4, 8], [2])), NETWORK, METADATA, "", "")


def test_damaged_weights(bundle_path):
    weights = bundle_path / "models" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(InputError, match=r"model\.safetensors.*SHA-256"):
        find_bundle(bundle_path).network()


def test_pickled_weights(bundle_path):
    (bundle_path / "models" / "model.safetensors").rename(bundle_path / "models" / "model.pt")
    with pytest.raises(InputError, match="pickled weights can run code"):
        find_bundle(bundle_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"_target_": "os.system"},
        {"_target_": "monai.networks.nets.unet"},
        {"_target_": "$__import__('os').system('true')"},
        {"channels": ["$[4, 8]"]},
        {"act": {"name": "@other"}},
    ],
)
def test_config_that_is_code(bundle_path, changes):
    change_config(bundle_path, **changes)
    with pytest.raises(InputError, match="code of its own"):
        find_bundle(bundle_path)


def test_network_that_does_not_fit_its_weights(bundle_path):
    change_config(bundle_path, channels=[4, 16])
    with pytest.raises(InputError, match="do not fit"):
        find_bundle(bundle_path).network()


def test_pickle_under_the_name_of_safe_weights(bundle_path):
    """With its right hash: whoever makes the file writes the hash, too."""
    weights, metadata = bundle_path / "models" / "model.safetensors", bundle_path / "configs" / "metadata.json"
    weights.write_bytes(pickle.dumps({"a": 1}))
    content = json.loads(metadata.read_text())
    content["dose3d"]["weights_sha256"] = hashlib.sha256(weights.read_bytes()).hexdigest()
    metadata.write_text(json.dumps(content))
    with pytest.raises(InputError, match="do not fit"):
        find_bundle(bundle_path).network()


@pytest.mark.parametrize(
    "changes", [{"_target_": "NoSuchNet"}, {"act": "nope"}, {"norm": 3}, {"channels": []}, {"kernel_size": "x"}]
)
def test_impossible_network(bundle_path, changes):
    change_config(bundle_path, **changes)
    with pytest.raises(InputError, match="do not fit"):
        find_bundle(bundle_path).network()


def test_unknown_name_lists_the_shipped_ones():
    with pytest.raises(InputError, match="head_neck_ct"):
        find_bundle("head_nek_ct")


@pytest.mark.parametrize("name", ["metadata.json", "inference.json"])
@pytest.mark.parametrize("content", [None, "{", "[]", "{}"])
def test_incomplete_configs(bundle_path, name, content):
    path = bundle_path / "configs" / name
    path.unlink()
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=name.replace(".", r"\.")):
        find_bundle(bundle_path)


@pytest.mark.parametrize("key", ["input", "patch", "region", "expected", "weights_sha256"])
def test_metadata_that_lacks_what_running_needs(bundle_path, key):
    """Refused at the door: a run would end with a fault only after the network has computed."""
    path = bundle_path / "configs" / "metadata.json"
    metadata = json.loads(path.read_text())
    del metadata["dose3d"][key]
    path.write_text(json.dumps(metadata))
    with pytest.raises(InputError, match=r"metadata\.json.*lacks what running needs"):
        find_bundle(bundle_path)


@pytest.mark.parametrize("name", shipped_bundles())
def test_shipped_bundle_passes_monais_own_check(name):
    """MONAI's verify_net_in_out builds the network from the config and runs metadata's input through it."""
    from monai.bundle import verify_net_in_out

    bundle = find_bundle(name)
    configs = bundle.path / "configs"
    verify_net_in_out(
        net_id="network_def", meta_file=str(configs / "metadata.json"), config_file=str(configs / "inference.json"),
        device="cpu", any=1,
    )  # fmt: skip
    assert bundle.network()
    assert sum(p.stat().st_size for p in bundle.path.rglob("*")) < 20e6
