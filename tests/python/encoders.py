"""The numbers that tests in src/nn hold encoders against: timm's and torchvision's, in f64.

usage: encoders.py [--write] src/nn/vit.json
       encoders.py [--write] src/nn/convnext.json
       encoders.py [--write] src/nn/convolutional.json

Checks that the file holds what they compute now, or writes it. Weights and images are a pattern
that both sides write out. Made with timm 1.0.22, torchvision 0.24 and PyTorch 2.9.
"""

import json
import sys
from pathlib import Path

import torch
from timm.models.convnext import ConvNeXt
from timm.models.vision_transformer import VisionTransformer
from torch import nn
from torchvision.models import resnet

sys.dont_write_bytecode = True

from references.method import convnet

torch.set_default_dtype(torch.double)


def pattern(count, seed):
    """Numbers between -1 and 1 without a rule."""
    i = torch.arange(1, count + 1)
    return ((i * i % 2003 * 7919 + i * 613 + seed * 104729) % 2003).double() / 1001.5 - 1


@torch.no_grad()
def weights(model, norms):
    """Small, around one where they scale, and others in each tensor, in the order of the file."""
    for seed, (name, own) in enumerate(model.state_dict().items()):
        is_scale = any(norm in name for norm in norms) and not name.endswith("bias")
        own.copy_(pattern(own.numel(), seed).reshape(own.shape) * 0.2 + is_scale)


def measured(model, side, norms=("norm", "stem.1", "downsample.0", "gamma")):
    """Features of two images, and of each gradient the norm and the first numbers."""
    weights(model, norms)
    images = pattern(2 * 3 * side * side, 99).reshape(2, 3, side, side)
    features = model(images)
    (features * pattern(features.numel(), 7).reshape(features.shape)).sum().backward()
    gradients = {}
    for name, own in model.named_parameters():
        gradients[name] = [own.grad.norm().item(), *own.grad.flatten()[:3].tolist()]
    return {"features": features.flatten().tolist(), "gradients": gradients}


def convolutional(name, width, side, stem="small"):
    """In training, so that norms are those of the batch."""
    norms = ("bn", "downsample.1")
    if name == "convnet":
        model, _ = convnet(width)
    else:
        model = getattr(resnet, name)()
        block, model.inplanes = type(model.layer1[0]), width
        model.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        if stem == "small":
            model.conv1 = nn.Conv2d(3, width, 3, 1, 1, bias=False)
            model.maxpool = nn.Identity()
        model.bn1, model.fc = nn.BatchNorm2d(width), nn.Identity()
        for stage in range(4):
            name_of, stride = f"layer{stage + 1}", 1 + (stage > 0)
            depth = len(getattr(model, name_of))
            setattr(model, name_of, model._make_layer(block, width << stage, depth, stride))
    case = {"name": name, "width": width, "stem": stem, "side": side}
    return {**case, **measured(model.train(), side, norms)}


def convnext(patch, width, depths, side):
    dims = [width << stage for stage in range(4)]
    model = ConvNeXt(num_classes=0, patch_size=patch, depths=depths, dims=dims).eval()
    return {"patch": patch, "width": width, "depths": depths, "side": side, **measured(model, side)}


def case(heads, depth, patch, size, registers, pool, side, scale=None):
    model = VisionTransformer(
        img_size=size,
        patch_size=patch,
        embed_dim=64 * heads,
        depth=depth,
        num_heads=heads,
        num_classes=0,
        reg_tokens=registers,
        global_pool="avg" if pool == "mean" else "token",
        dynamic_img_size=side != size,
        init_values=scale,
    ).eval()
    return {
        "heads": heads,
        "depth": depth,
        "patch": patch,
        "size": size,
        "registers": registers,
        "pool": pool,
        "scale": scale,
        "side": side,
        **measured(model, side),
    }


def alike(held, found):
    """Processors round otherwise, far behind what the test looks at."""
    if isinstance(found, dict):
        return held.keys() == found.keys() and all(alike(held[key], found[key]) for key in found)
    if isinstance(found, list):
        return len(held) == len(found) and all(map(alike, held, found))
    if found is None or isinstance(found, str):
        return held == found
    return abs(held - found) <= 2e-7 * max(1, abs(found))


def shown(value):
    """JSON with a line for each gradient, and numbers of eight digits."""
    if isinstance(value, dict):
        lines = (f"{json.dumps(key)}: {shown(own)}" for key, own in value.items())
        return "{\n" + ",\n".join(lines) + "\n}"
    if isinstance(value, list):
        return "[" + ", ".join(map(shown, value)) + "]"
    return f"{value:.8g}" if isinstance(value, float) else json.dumps(value)


def main():
    path = Path(sys.argv[-1])
    if path.stem == "convnext":
        cases = [convnext(1, 4, [1, 2, 1, 1], 17), convnext(4, 3, [1, 1, 2, 1], 35)]
    elif path.stem == "convolutional":
        cases = [
            convolutional("convnet", 2, 17),
            convolutional("resnet34", 2, 32),
            convolutional("resnet18", 2, 64, stem="imagenet"),
            convolutional("wide_resnet50_2", 2, 32),
        ]
    else:
        cases = [
            case(1, 2, 4, 16, 0, "class", 16),
            case(2, 1, 4, 16, 2, "mean", 16),
            case(1, 1, 4, 16, 1, "class", 24),
            case(1, 1, 4, 16, 0, "mean", 12),
            case(1, 2, 4, 16, 0, "class", 16, scale=0.1),
        ]
    if "--write" in sys.argv:
        path.write_text("[" + ",\n".join(map(shown, cases)) + "]\n")
    elif not alike(json.loads(path.read_text()), cases):
        sys.exit(f"{path} is not what timm and torchvision compute")
    print(f"{len(cases)} networks of {path} are those of timm and torchvision")


main()
