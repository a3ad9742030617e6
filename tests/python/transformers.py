"""The numbers that src/nn/vit.rs and src/nn/convnext.rs hold their networks against: timm's, in f64.

usage: transformers.py [--write] src/nn/vit.json
       transformers.py [--write] src/nn/convnext.json

Checks that the file holds what timm computes now, or writes it. Weights and images are a pattern
that both sides write out. Made with timm 1.0.22 and PyTorch 2.9.
"""

import json
import sys
from pathlib import Path

import torch
from timm.models.convnext import ConvNeXt
from timm.models.vision_transformer import VisionTransformer

torch.set_default_dtype(torch.double)


def pattern(count, seed):
    """Numbers between -1 and 1 without a rule."""
    i = torch.arange(1, count + 1)
    return ((i * i % 2003 * 7919 + i * 613 + seed * 104729) % 2003).double() / 1001.5 - 1


def weights(model):
    """Small, around one where they scale, and others in each parameter, in the order of the file."""
    for seed, (name, own) in enumerate(model.named_parameters()):
        norms = ["norm", "stem.1", "downsample.0", "gamma"]
        scales = any(norm in name for norm in norms) and not name.endswith("bias")
        values = pattern(own.numel(), seed).reshape(own.shape) * 0.2
        own.data = values + 1 if scales else values


def measured(model, side):
    """Features of two images, and of each gradient the norm and the first numbers."""
    weights(model)
    images = pattern(2 * 3 * side * side, 99).reshape(2, 3, side, side)
    features = model(images)
    (features * pattern(features.numel(), 7).reshape(features.shape)).sum().backward()
    gradients = {}
    for name, own in model.named_parameters():
        gradients[name] = [own.grad.norm().item(), *own.grad.flatten()[:3].tolist()]
    return {
        "features": [round(value, 10) for value in features.flatten().tolist()],
        "gradients": {name: [round(value, 10) for value in own] for name, own in gradients.items()},
    }


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
    return abs(held - found) <= 1e-8 * max(1, abs(found))


def main():
    path = Path(sys.argv[-1])
    if path.stem == "convnext":
        cases = [convnext(1, 4, [1, 2, 1, 1], 17), convnext(4, 3, [1, 1, 2, 1], 35)]
    else:
        cases = [
            case(1, 2, 4, 16, 0, "class", 16),
            case(2, 1, 4, 16, 2, "mean", 16),
            case(1, 1, 4, 16, 1, "class", 24),
            case(1, 1, 4, 16, 0, "mean", 12),
            case(1, 2, 4, 16, 0, "class", 16, scale=0.1),
        ]
    if "--write" in sys.argv:
        path.write_text(json.dumps(cases, indent=0) + "\n")
    elif not alike(json.loads(path.read_text()), cases):
        sys.exit(f"{path} is not what timm computes")
    print(f"{len(cases)} networks of {path} are timm's")


main()
