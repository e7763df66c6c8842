"""Encoders that were pre-trained by `job=pretrain` and whose weights come with tebench.

One float16 safetensors file (encoder, and its source head if it was supervised) and one provenance record (JSON) each,
in `pretrained_weights/`. The hash of
the weights is pinned here, so that a changed file is refused.
"""

from __future__ import annotations

from importlib.resources import files

from tebench.base import storage
from tebench.base.errors import AssetError
from tebench.encoders.base import EncoderFacts

PINNED: dict[str, str] = {
    "ssl_mae": "653e9d8063f7a944dc8f4e99113a97b785f06e8bb537a4f905ddf8f5189901b7",
    "ssl_genesis": "13dee619224a920ac8b88d2356789280d7d6c59137b4b49680dce4c596cf4d02",
    "ssl_volume_fusion": "b3f18cfded0a69fa9792cb1c8988786299c9ab6d237167298f8093b4afeef248",
    "ssl_simclr": "5df2063b061a87e5d2a5956dfdde28183f62756af96550b66a1365503ec3ef07",
    "ssl_voco": "6432244a2645c9c10a160838601458394e0e1235b9fb65e78f581e4b0c990071",
    "ssl_swin": "aaa4d14733a3c694af2b3ec7f24a3f7c218c0b969608c82baad955256ed6637e",
    "ssl_spark": "97bfa9a907536e9c873f9676c8766ccd2a778e18e3755338437e6d38a3877b80",
    "ssl_mae_short": "5617ee4e4e9f32c168318634794bec3c8f1ecc3ba3b244fd8e96d5cd369073d7",
    "ssl_genesis_short": "3a6e0261efbeefb666d7f7847945c64d4590e52e6fa73c984e847e030c13ca59",
    "ssl_volume_fusion_short": "1757c48e5a2e850847f1d709447a9aa0cc931647d8f19be555f6f2d9a01ec123",
    "ssl_simclr_short": "268bd8d2e0c394e092b53ecbec4b5cc887f9e357d95d66b90bf014f1fc068f42",
    "resenc_s_sup_tissues": "926966dc739df3df197d0be567b393d87a1fd1ced9fdb753ad67c3194c74ff73",
    "resenc_s_sup_lobes": "64c4556ac9343fe454791b97faccafaa0c5d914e3e89e6cdc2d600e03f895adf",
    "resenc_s_sup_cerebellum": "8881cce1b038416c12d573d1d3f051b5aad1b5599e3a97ef31f1cf49d294ee7e",
    "resenc_s_sup_lungs": "fd8d61fca477a7cc47f41f70cba512acd7d3e1fcfc801da2420c8dd7f73e6f4e",
    "unet_s_mae": "cc86e67fa226206c7e1fde4714729d5d8b5a24f6d276075e713914b3fd1f5b29",
    "unet_s_sup_tissues": "d469e8f46e4107c9cc7dc39229d42adf36a6b8992d8cb93ea6cd3f280b7e4a75",
    "unet_s_sup_lobes": "eb02290fab13bf6c9f85e76415d3417bf106cf7e5f28faf11f167e68353ab17d",
    "unet_s_sup_cerebellum": "eac7ca008be84818dee738488d6475119012f674ec9215b02e88c054a5d6c0c4",
    "unet_s_sup_lungs": "737bc3189cd2005bb8996b01a62211424d133e91595eecc800be5e4a01bb899f",
    "primus_s_mae": "65829e525860ecc363ef97ffcad9f8370b77bf0bba8f6a0d739962254d501932",
    "primus_s_sup_tissues": "239fdd9305c4d843e0e3f507d0b3b0da2ef54dc25ac7c08bc308fa7492ee567c",
    "primus_s_sup_lobes": "df9eca5bddefd23cbc45ef7b8b0e3916d8e204294486c354db71d156b2afa7ac",
    "primus_s_sup_cerebellum": "594f00cf2877c2bd570b6eb785526b81cab9e6534837dbecac67540a20b3322d",
    "primus_s_sup_lungs": "d110da92de7c07525f4bb2697f1930260cb2231acfe01d2554a06bdd6608624a",
}


def folder():
    """Where weights and records lie."""
    return files("tebench.encoders") / "pretrained_weights"


def record(name: str) -> dict:
    """The provenance record: what made the weights."""
    return storage.read_json(folder() / f"{name}.json")


def facts(name: str) -> EncoderFacts:
    """Facts of one pre-trained encoder, from its record; one family for all doses of a recipe on one shape."""
    made = record(name)
    shape = made["shape"].split("/")[0]
    design = {
        "shape": shape,
        "family": f"{shape}_{made['method']}",
        "dose": made["steps"] / made["config"]["training"]["steps"],
    }
    return EncoderFacts(**{**made["facts"], "images": tuple(made["facts"]["images"]), **design})


def weights(name: str, shape: str) -> bytes:
    """The bytes of the weight file, verified; shape: version of the architecture's code that will hold them."""
    made_for = record(name)["shape"]
    if made_for != shape:
        # Tensors of another version may have the same shapes, and would load without a word.
        raise AssetError(f"encoder {name!r}: its weights were made for {made_for}, this is {shape}. Make them again.")
    path = folder() / f"{name}.safetensors"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise AssetError(f"encoder {name!r}: {path} cannot be read ({error}). Install tebench again.") from error
    if storage.sha256_bytes(data) != PINNED[name]:
        raise AssetError(
            f"encoder {name!r}: {path} has sha256 {storage.sha256_bytes(data)[:16]}, expected {PINNED[name][:16]}. "
            "Install tebench again."
        )
    return data
