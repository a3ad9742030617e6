"""The losses that src/train/steps.rs holds trainings against: PyTorch's, in f64.

usage: steps.py [--write] src/train/steps.json

Trains methods for twenty steps, each as its paper states it, with PyTorch's own layers, losses and
optimizer; then again with one mistake each, for the test to tell from the right training. The
methods are in references/. Checks that the file holds these losses, or writes it.

Weights, images, queues and what is drawn by chance are numbers that both sides compute from their
names, so that the file holds losses only. The settings keep rounding from growing: images that
differ, norms over at least 32 examples, small steps.
"""

import json
import re
import sys
from pathlib import Path

import torch

sys.dont_write_bytecode = True

from references import (
    clusters,
    contrast,
    covariance,
    labels,
    masked,
    masked_classes,
    memory,
    neighbours,
    parts,
    prediction,
)
from references.method import STEPS

METHODS = {
    "all4one": neighbours.All4One,
    "barlow_twins": covariance.BarlowTwins,
    "byol": prediction.Byol,
    "cmc": memory.Cmc,
    "cpc": parts.Cpc,
    "data2vec": masked.Data2Vec,
    "dcl": contrast.Dcl,
    "dclw": contrast.Dclw,
    "deepcluster_v2": clusters.DeepClusterV2,
    "densecl": parts.DenseCl,
    "dino": clusters.Dino,
    "emp_ssl": covariance.EmpSsl,
    "fastsiam": prediction.FastSiam,
    "ibot": masked_classes.IBot,
    "instance_discrimination": memory.InstanceDiscrimination,
    "jigsaw": parts.Jigsaw,
    "lejepa": prediction.LeJepa,
    "mae": masked.Mae,
    "mmcr": covariance.Mmcr,
    "moco_v1": memory.MoCoV1,
    "moco_v2": memory.MoCo,
    "moco_v2_plus": memory.MoCoV2Plus,
    "moco_v3": contrast.MoCoV3,
    "msn": masked_classes.Msn,
    "n_pair": contrast.NPair,
    "nce": memory.Nce,
    "nnbyol": prediction.NnByol,
    "nnclr": neighbours.Nnclr,
    "nnsiam": prediction.NnSiam,
    "pirl": parts.Pirl,
    "ressl": prediction.ReSsl,
    "rotnet": labels.RotNet,
    "simclr": contrast.SimClr,
    "simmim": masked.SimMim,
    "simsiam": prediction.SimSiam,
    "supcon": labels.SupCon,
    "supervised": labels.Classify,
    "swav": clusters.SwaV,
    "tico": covariance.TiCo,
    "triplet": contrast.Triplet,
    "vib": labels.Vib,
    "vibcreg": covariance.VibcReg,
    "vicreg": covariance.VicReg,
    "w_mse": covariance.WMse,
}


def computed():
    def losses(method, mistake=None):
        return [round(loss, 10) for loss in method(mistake).losses()]

    return {
        name: {
            "losses": losses(method),
            "mistakes": {mistake: losses(method, mistake) for mistake in method.mistakes},
        }
        for name, method in METHODS.items()
    }


def same(a, b):
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return len(a) == len(b) and all(abs(x - y) <= 1e-8 for x, y in zip(a, b))


def main():
    path = Path(sys.argv[-1])
    found = computed()
    if "--write" in sys.argv:
        text = json.dumps(found, indent=2)
        # Lists of numbers on one line.
        text = re.sub(r"\[[^][{}]*\]", lambda own: " ".join(own[0].split()), text)
        path.write_text(text.replace("[ ", "[").replace(" ]", "]") + "\n", encoding="utf-8")
    held = json.loads(path.read_text(encoding="utf-8"))
    assert same(held, found), f"{path} is not what PyTorch {torch.__version__} computes"
    print(f"{STEPS} steps of {len(found)} methods in {path} are PyTorch's")


if __name__ == "__main__":
    main()
