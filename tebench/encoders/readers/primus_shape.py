"""Which Primus a file holds: size, token grid, and the order in which tokens follow one another.

The order changes every feature and no weight's shape. It is stated beside the file, or follows from what the file says
of its training; where it says nothing, it is guessed, and the reading says so.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from tebench.base.errors import InputError, unknown_name
from tebench.encoders import primus
from tebench.encoders.base import EncoderFacts, InputSpec
from tebench.encoders.files.opened import Content
from tebench.encoders.files.plain import short
from tebench.encoders.readers.statement import Statement
from tebench.encoders.states import Located, dicts_of, held, locate, prefixes

PRESETS = {"PrimusS": primus.S, "PrimusB": primus.B, "PrimusM": primus.M, "PrimusL": primus.L, "Primus": primus.M}
_READ = ("embed_dim", "eva_depth", "eva_numheads", "patch_embed_size")
_UNREAD = ("input_channels", "num_classes", "output_channels", "input_shape", "drop_path_rate", "patch_drop_rate",
           "proj_drop_rate", "attn_drop_rate", "decoder_norm", "decoder_act", "config_name", "rope_kwargs", "rope_impl",
           "decoder_eva_depth", "decoder_eva_numheads")  # fmt: skip
_ONLY = {
    "num_register_tokens": (0, None), "use_rot_pos_emb": (True, None), "use_abs_pos_embed": (True, None),
    "scale_attn_inner": (True, None), "mlp_ratio": (8 / 3, 4 * 2 / 3, None),
}  # fmt: skip


def plan_of(architecture: str, given: dict) -> primus.Plan:
    """The preset, overlaid with `arch_kwargs`; an argument that would change the network otherwise is refused."""
    shape = PRESETS[architecture]
    known = (*_READ, *_UNREAD, *_ONLY, "init_values")
    for key, value in given.items():
        if key not in known:
            raise unknown_name("arch_kwargs", str(key), known)
        if key in _ONLY and value not in _ONLY[key]:
            raise InputError(f"arch_kwargs {key}={short(value)} is not built here (known: {_ONLY[key][0]!r})")
    patch = given.get("patch_embed_size", shape.patch)
    patches = patch if isinstance(patch, list) else [patch]
    if len(set(map(str, patches))) != 1:
        raise InputError(f"patch_embed_size {short(patch)} differs along the axes; only equal ones are read")
    numbers = [given.get("embed_dim", shape.width), given.get("eva_depth", shape.depth),
               given.get("eva_numheads", shape.heads), patches[0]]  # fmt: skip
    if any(type(n) is not int or not 1 <= n <= 2**16 for n in numbers) or numbers[1] > 1000:
        raise InputError(f"arch_kwargs make no network that is read here (width, depth, heads, patch {short(numbers)})")
    width, depth, heads, patch = numbers
    return replace(shape, width=width, depth=depth, heads=heads, patch=patch)


def find(
    content: Content,
    architecture: str,
    given: dict,
    configuration: dict,
    prefer: str | None,
    trainer: str,
    stated: Statement,
    notes: list[str],
):
    """(the plan, its weights under the network's names, how the files spell those)."""
    path = content.path
    try:
        shape = plan_of(architecture, given)
    except InputError as error:
        raise InputError(f"checkpoint {path}: architecture {architecture}: {error}") from error
    choices = {place: _own(weights) for place, weights in dicts_of(content).items()}
    before = {(place, prefix) for place, weights in choices.items() for prefix in prefixes(weights, primus.Primus.STEM)
              if prefer is None or prefix.endswith(prefer)}  # fmt: skip
    if not before:
        raise InputError(f"checkpoint {path}: no weight ends with {primus.Primus.STEM!r}. {held(content)}")
    place, prefix = min(before, key=lambda pair: (list(choices).index(pair[0]), len(pair[1])))
    stem, embedding = choices[place][prefix + primus.Primus.STEM], choices[place].get(prefix + "eva.pos_embed")
    if stem.ndim == 5:
        shape = replace(shape, channels=stem.shape[1])
    shape = replace(
        shape,
        grid=_grid(embedding, shape, configuration, path, notes),
        order=_order(trainer, choices[place], stated, path, notes),
    )
    return shape, _locate(content, shape, choices, prefer), lambda key: key


def _own(weights: dict) -> dict:
    """Without what the public network keeps and does not use for maps: a class token, the rotary table."""
    return {
        key: value
        for key, value in weights.items()
        if not any(part.startswith("cls_token") for part in key.split(".")) and ".rope." not in f".{key}."
    }


def _locate(content: Content, shape: primus.Plan, choices, prefer: str | None) -> Located:
    with torch.device("meta"):
        needed = primus.Primus(EncoderFacts("", "", "", "", "", "", "", 0), InputSpec(), shape).state_dict()
    return locate(content, needed, [primus.Primus.STEM], ("eva.", "down_projection."), choices=choices, prefer=prefer)


def _grid(embedding, shape, configuration: dict, path, notes: list[str]) -> tuple[int, int, int]:
    """The token grid of the position embedding, from its length; the plan only where that is no cube."""
    patch = configuration.get("patch_size")
    whole = (
        isinstance(patch, list) and len(patch) == 3 and all(type(n) in (int, float) and 0 < n < 2**20 for n in patch)
    )
    trained = tuple(int(size) // shape.patch for size in patch) if whole else ()
    if embedding is None or embedding.ndim != 3:
        return trained or shape.grid  # what is wrong is named when weights are compared
    tokens = embedding.shape[1]
    side = round(tokens ** (1 / 3))
    if side**3 == tokens:
        if trained and trained != (side,) * 3:
            notes.append(
                f"position embedding of {side}^3 tokens, the plan's patch would give {trained}; weights decide"
            )
        return (side,) * 3
    if trained and math.prod(trained) == tokens:
        notes.append(f"position embedding of {trained} tokens, no cube")
        return trained
    raise InputError(
        f"checkpoint {path}: the position embedding holds {tokens} tokens, neither a cube nor the plan's grid "
        f"{trained or '(none)'}."
    )


def _order(trainer: str, weights: dict, stated: Statement, path, notes: list[str]) -> str:
    """Token order and a note on what decided it.

    nnssl's EvaMAE, which all its Eva trainers but SimMIM use, runs (h w d); SimMIM and the public package's Primus
    run (w h d).
    """
    order = stated.get("token_order")
    if order is not None:
        if order not in primus.ORDERS:
            raise unknown_name(f"token_order in {stated.where}", str(order), primus.ORDERS)
        notes.append(f"tokens run ({order}): stated beside the file")
        return order
    word = trainer.lower()
    if "simmim" in word:
        order, why = "w h d", f"the trainer {trainer} is a SimMIM"
    elif "eva" in word and "nnunet" not in word:
        order, why = "h w d", f"the trainer {trainer} is one of nnssl's Eva trainers"
    elif "nnunet" in word:
        order, why = "w h d", f"the trainer {trainer} is nnU-Net's, which uses the public package"
    elif any("decoder.blocks." in name for name in weights):
        order, why = "h w d", "the file holds the decoder of nnssl's EvaMAE"
    else:
        notes.append(
            f"tokens run (w h d): guessed, as the public package has it, since {trainer!r} and the weights do not say. "
            f"If it was trained otherwise, write token_order: h w d in {path.stem}.yaml beside the file"
        )
        return "w h d"
    notes.append(f"tokens run ({order}): {why}")
    return order
