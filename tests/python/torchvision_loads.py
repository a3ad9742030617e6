"""An exported encoder and model are networks of torchvision: strictly, and with the same outputs.

usage: torchvision_loads.py RUN_FOLDER
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
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
    with torch.no_grad():
        features = encoder(torch.zeros(2, 3, 32, 32))
        logits = model(torch.zeros(2, 3, 32, 32))
    assert features.shape == (2, 128) and logits.shape == (2, 10)
    assert features.isfinite().all() and logits.isfinite().all()
    assert features.std() > 0, "an encoder without weights gives one value"
    steps = encoder.state_dict()["bn1.num_batches_tracked"]
    assert steps.dtype == torch.int64 and steps > 0
    print(f"torchvision loads {folder.name}: {int(steps)} training passes")


if __name__ == "__main__":
    main()
