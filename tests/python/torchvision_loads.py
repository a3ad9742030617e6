"""An exported encoder and model are networks of torchvision, strictly.

What they compute there is left in the run folder, for the test in `src/nn/resnet.rs` that compares
it with what they compute in cpipe.

usage: torchvision_loads.py RUN_FOLDER
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torchvision.models import resnet18


def small(classes=None):
    """ResNet-18 of width 16 with the stem for small images."""
    network = resnet18()
    network.inplanes = 16
    network.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
    network.bn1 = nn.BatchNorm2d(16)
    network.maxpool = nn.Identity()
    for index, (width, stride) in enumerate([(16, 1), (32, 2), (64, 2), (128, 2)]):
        block = type(network.layer1[0])
        setattr(network, f"layer{index + 1}", network._make_layer(block, width, 2, stride))
    network.fc = nn.Linear(128, classes) if classes else nn.Identity()
    return network.eval()


def main():
    folder = Path(sys.argv[1])
    encoder = small()
    encoder.load_state_dict(load_file(folder / "base.encoder.safetensors"), strict=True)
    model = small(classes=10)
    model.load_state_dict(load_file(folder / "classifier.model.safetensors"), strict=True)
    images = torch.randn(16, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        features, logits = encoder(images), model(images)
    assert features.shape == (16, 128) and logits.shape == (16, 10)
    assert features.isfinite().all() and logits.isfinite().all()
    assert features.std() > 0, "an encoder without weights gives one value"
    found = {"images": images, "features": features, "logits": logits}
    save_file(found, folder / "torchvision.safetensors")
    steps = encoder.state_dict()["bn1.num_batches_tracked"]
    assert steps.dtype == torch.int64 and steps > 0
    print(f"torchvision loads {folder.name}: {int(steps)} training passes")


if __name__ == "__main__":
    main()
