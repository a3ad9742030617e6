"""Weights as PyTorch's projects publish them, for the tests of `src/nn/weights.rs`.

usage: weights.py FOLDER
           the small files of tests/fixtures/weights
       weights.py FOLDER --full TRANSFORMER CONVNEXT
           whole networks of torchvision and timm, and what they compute; and of what two runs have
           exported, what timm computes with it

TRANSFORMER is a run folder of `simmim_cifar10 --profile quick`, CONVNEXT one of `moco_cifar10` with
`convnext_tiny(patch: 1, width: 16)`.
"""

import os
import shutil
import sys
from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

# Channels of `convnet(width: 1)`.
CHANNELS = [3, 1, 2, 4, 8, 8]


def convnet(shift):
    state = OrderedDict()
    for layer, (before, after) in enumerate(zip(CHANNELS, CHANNELS[1:]), start=1):
        state[f"conv{layer}.weight"] = torch.empty(after, before, 3, 3)
        for part in ["weight", "bias", "running_mean", "running_var"]:
            state[f"bn{layer}.{part}"] = torch.empty(after)
        state[f"bn{layer}.num_batches_tracked"] = torch.tensor(7)
    for place, tensor in enumerate(state.values()):
        if tensor.is_floating_point():
            # Exact in sixteen bits, whatever they are.
            numbers = torch.arange(tensor.numel()) % 64 / 64 + place % 4 + shift
            tensor.copy_(numbers.reshape(tensor.shape))
    return state


class Code:
    def __reduce__(self):
        return os.system, ("touch /tmp/a_pickle_was_run",)


def small(folder):
    query, key = convnet(0.0), convnet(8.0)
    state = OrderedDict()
    for name, own in [("encoder_q", query), ("encoder_k", key)]:
        state |= {f"module.{name}.{part}": tensor for part, tensor in own.items()}
        state[f"module.{name}.fc.0.weight"] = torch.ones(8, 8)
    state["module.queue"] = torch.ones(4, 8)
    optimizer = {"state": {0: {"momentum_buffer": torch.ones(1, 3, 3, 3)}}, "param_groups": [{"lr": 0.03}]}
    moco = {"epoch": 200, "arch": "convnet", "state_dict": state, "optimizer": optimizer}
    torch.save(moco, folder / "moco.pth")
    torch.save(moco, folder / "legacy.pth", _use_new_zipfile_serialization=False)
    torch.save({"state_dict": query, "hook": Code()}, folder / "code.pth")
    torch.save(Code(), folder / "only_code.pth")
    halves = {name: own.half() if own.is_floating_point() else own for name, own in query.items()}
    torch.save(OrderedDict((name, own.bfloat16()) for name, own in halves.items() if "num_" not in name), folder / "bfloat16.pth")
    save_file(halves, folder / "half.safetensors")


def exported(folder, transformer, convnext):
    """Networks of timm, each with the weights of a run."""
    from timm.models.convnext import ConvNeXt
    from timm.models.vision_transformer import VisionTransformer

    # The images are larger than those it was trained on.
    sizes = dict(img_size=32, patch_size=8, embed_dim=192, depth=2, num_heads=3)
    networks = {
        "exported_vit": (
            VisionTransformer(num_classes=0, global_pool="avg", dynamic_img_size=True, **sizes),
            transformer,
        ),
        "exported_convnext": (ConvNeXt(num_classes=0, patch_size=1, dims=[16, 32, 64, 128]), convnext),
    }
    for name, (network, run) in networks.items():
        file = shutil.copy(Path(run) / "base.encoder.safetensors", folder / f"{name}.safetensors")
        network.load_state_dict(load_file(file), strict=True)
        yield name, network.eval()


def full(folder, runs):
    import timm
    from torchvision.models import ConvNeXt, VisionTransformer, resnet
    from torchvision.models.convnext import CNBlockConfig

    torch.manual_seed(0)
    images = torch.randn(4, 3, 64, 64)
    arrays = {"images": images}
    for name in ["resnet18", "resnet101"]:
        network = getattr(resnet, name)().eval()
        torch.save(network.state_dict(), folder / f"{name}.pth")
        network.fc = nn.Identity()
        arrays[name] = network(images)
    for name in ["vit_small", "vit_base"]:
        # The images are smaller than those that it is for.
        network = timm.create_model(f"{name}_patch16_224", num_classes=0, dynamic_img_size=True).eval()
        torch.save(network.state_dict(), folder / f"{name}.pth")
        arrays[name] = network(images)
    teacher, student = (
        timm.create_model("vit_tiny_patch16_224", img_size=64, depth=2, num_classes=0).eval() for _ in range(2)
    )
    checkpoint = {
        "teacher": {f"backbone.{name}": own for name, own in teacher.state_dict().items()},
        "student": {f"module.backbone.{name}": own for name, own in student.state_dict().items()},
        "epoch": 100,
    }
    torch.save(checkpoint, folder / "dino.pth")
    arrays["vit_tiny"] = teacher(images)
    sizes = dict(num_layers=2, num_heads=3, hidden_dim=192, mlp_dim=768)
    transformer = VisionTransformer(image_size=64, patch_size=16, **sizes).eval()
    stages = [(16, 32, 3), (32, 64, 3), (64, 128, 9), (128, None, 3)]
    convnext = ConvNeXt([CNBlockConfig(*stage) for stage in stages]).eval()
    for name, own in {"vit": transformer, "convnext": convnext}.items():
        # As a training leaves them: scales and shifts are no constants.
        for parameter in own.parameters():
            nn.init.normal_(parameter, std=0.1) if parameter.dim() > 1 else parameter.data.add_(
                0.3 * torch.randn_like(parameter)
            )
        torch.save(own.state_dict(), folder / f"torchvision_{name}.pth")
    transformer.heads = nn.Identity()
    convnext.classifier[2] = nn.Identity()
    arrays["torchvision_vit"] = transformer(images)
    arrays["torchvision_convnext"] = convnext(images)
    for name, network in exported(folder, *runs):
        arrays[name] = network(images)
    save_file({name: own.detach().contiguous() for name, own in arrays.items()}, folder / "expected.safetensors")


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    if "--full" in sys.argv[2:]:
        full(folder, sys.argv[3:])
    else:
        small(folder)


if __name__ == "__main__":
    main()
