"""Data sets in the public formats, written at reduced size."""

import json

import numpy as np

SHAPE = (10, 12, 8)


def image(seed=0, shape=SHAPE):
    return (np.random.default_rng(seed).normal(100, 10, shape)).astype(np.float32)


def label(*values, shape=SHAPE):
    """A map with one small block of each value."""
    found = np.zeros(shape, np.uint8)
    for index, value in enumerate(values):
        found[1 + 2 * index : 3 + 2 * index, 2:6, 2:5] = value
    return found


def write(path, data, affine=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.name.endswith((".nii", ".nii.gz", ".mgz")):
        import nibabel

        affine = np.diag([1.0, 1.5, 2.0, 1.0]) if affine is None else affine
        kind = nibabel.MGHImage if path.suffix == ".mgz" else nibabel.Nifti1Image
        nibabel.save(kind(data, affine), path)
    else:
        import SimpleITK as sitk  # noqa: N813

        written = sitk.GetImageFromArray(data.transpose(2, 1, 0))
        written.SetSpacing((1.0, 1.5, 2.0))
        sitk.WriteImage(written, str(path))


def describe(folder, **words):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dataset.json").write_text(json.dumps(words))
    return folder


def nnunet(folder, n_cases=2, channels=("T1",), ending=".nii.gz", labels=None, values=(1, 2), **words):
    labels = labels or {"background": 0, "core": 1, "rim": 2}
    for case in range(n_cases):
        for channel in range(len(channels)):
            write(folder / "imagesTr" / f"case_{case:03d}_{channel:04d}{ending}", image(10 * case + channel))
        write(folder / "labelsTr" / f"case_{case:03d}{ending}", label(*values))
    names = {str(index): name for index, name in enumerate(channels)}
    return describe(
        folder, **{"channel_names": names, "labels": labels, "numTraining": n_cases, "file_ending": ending, **words}
    )


def decathlon(folder, n_cases=2, channels=("FLAIR",), **words):
    training = []
    for case in range(n_cases):
        name = f"BRATS_{case:03d}.nii.gz"
        stack = np.stack([image(10 * case + channel) for channel in range(len(channels))], axis=-1)
        write(folder / "imagesTr" / name, stack if len(channels) > 1 else stack[..., 0])
        write(folder / "labelsTr" / name, label(1, 2))
        training.append({"image": f"./imagesTr/{name}", "label": f"./labelsTr/{name}"})
    return describe(folder, **{
        "name": "BRATS", "description": "Gliomas", "licence": "CC-BY-SA 4.0", "tensorImageSize": "4D",
        "modality": {str(index): name for index, name in enumerate(channels)},
        "labels": {"0": "background", "1": "edema", "2": "tumour"},
        "numTraining": n_cases, "numTest": 1, "training": training, "test": ["./imagesTs/x.nii.gz"], **words,
    })  # fmt: skip
