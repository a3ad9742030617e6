"""The step of MoCo v2 on a fixed batch, cpipe's and plain PyTorch's, in alternation.

    cargo bench --features libtorch --bench step --no-run    # prints the path of STEP
    python3 tests/python/step_speed.py STEP [--width 16] [--batch 256] [--steps 1] [--rounds 9]
        [--cpipe libtorch-cpu,libtorch-cpu:bf16,flex] [--torch f32,f32-cl,bf16-cl] [--device cpu]
        [--network resnet18|vit_tiny|convnext_tiny]

Same network (ResNet-18 with the small stem, the tiny vision transformer, or ConvNeXt, both of these on
patches of 4), same batch size, same queue and optimizer; weights and
images are each side's own noise. Every round asks each for so many steps, one after the other, while
the others wait. Printed are medians, their ratio to the best of PyTorch, and the most memory that
each process has held: on a GPU, what of it is taken once the first steps are done. PyTorch's kinds:
f32, tf32, and the automatic mixed precision of bf16, each with the memory order as it is or channels
last (cl), and compiled: bf16-cl-compiled. On a GPU:

    step_speed.py STEP --device cuda --cpipe libtorch-cuda,libtorch-cuda:bf16 --batch 512 --width 64
        --torch f32-cl,bf16-cl,bf16-cl-compiled --steps 50
"""

import argparse
import copy
import os
import re
import statistics
import subprocess
import sys
import tempfile

QUEUE, TEMPERATURE, MOMENTUM = 4096, 0.1, 0.99
# What stands for the encoder in a pipeline, and what it is called.
NETWORKS = {
    "resnet18": ("resnet18(stem: small, width: width)", "ResNet-18, width {width}"),
    "vit_tiny": ("vit_tiny(patch: 4, size: 32)", "ViT, tiny"),
    "convnext_tiny": ("convnext_tiny(patch: 4, width: width)", "ConvNeXt, width {width}"),
}


def encoder(width):
    """torchvision's residual network of 18 layers, for images of 32 pixels."""
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self, before, planes, stride):
            super().__init__()
            self.conv1 = nn.Conv2d(before, planes, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(planes)
            self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(planes)
            self.downsample = nn.Identity()
            if stride != 1 or before != planes:
                conv = nn.Conv2d(before, planes, 1, stride, bias=False)
                self.downsample = nn.Sequential(conv, nn.BatchNorm2d(planes))

        def forward(self, x):
            y = torch.relu_(self.bn1(self.conv1(x)))
            y = self.bn2(self.conv2(y))
            return torch.relu_(y + self.downsample(x))

    layers = [nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(True)]
    before = width
    for group in range(4):
        for index in range(2):
            stride = 2 if group > 0 and index == 0 else 1
            layers.append(Block(before, width << group, stride))
            before = width << group
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()), before


def transformer(width=192, heads=3, depth=12, patch=4, side=32):
    """timm's tiny vision transformer, for images of 32 pixels."""
    import torch
    import torch.nn.functional as F
    from torch import nn

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(width, 1e-6), nn.LayerNorm(width, 1e-6)
            self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.mlp = nn.Sequential(
                nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
            )

        def forward(self, x):
            n, tokens, _ = x.shape
            qkv = self.qkv(self.norm1(x)).reshape(n, tokens, 3, heads, width // heads)
            query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
            attended = F.scaled_dot_product_attention(query, key, value)
            x = x + self.proj(attended.transpose(1, 2).reshape(n, tokens, width))
            return x + self.mlp(self.norm2(x))

    class Transformer(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Conv2d(3, width, patch, patch)
            self.leads = nn.Parameter(torch.zeros(1, 1, width))
            places = 1 + (side // patch) ** 2
            self.places = nn.Parameter(0.02 * torch.randn(1, places, width))
            self.blocks = nn.Sequential(*[Block() for _ in range(depth)])
            self.norm = nn.LayerNorm(width, 1e-6)

        def forward(self, x):
            tokens = self.embed(x).flatten(2).transpose(1, 2)
            tokens = torch.cat([self.leads.expand(len(x), -1, -1), tokens], 1)
            return self.norm(self.blocks(tokens + self.places))[:, 0]

    return Transformer(), width


def convnext(width):
    """torchvision's tiny ConvNeXt, of that width."""
    from torch import nn
    from torchvision.models import ConvNeXt
    from torchvision.models.convnext import CNBlockConfig

    widths = [width << stage for stage in range(4)] + [None]
    stages = zip(widths, widths[1:], [3, 3, 9, 3])
    network = ConvNeXt([CNBlockConfig(*stage) for stage in stages], stochastic_depth_prob=0.0)
    network.classifier[2] = nn.Identity()
    return network, width << 3


def training(network, width, batch, kind, device):
    """A function that takes one step, as a plain script of PyTorch has it."""
    import torch
    import torch.nn.functional as F
    from torch import nn

    builders = {"resnet18": encoder, "vit_tiny": lambda _: transformer(), "convnext_tiny": convnext}
    network, features = builders[network](width)
    head = nn.Sequential(nn.Linear(features, features), nn.ReLU(), nn.Linear(features, 128))
    layout = torch.channels_last if "-cl" in kind else torch.contiguous_format
    # Convolutions round to it unless they are told not to.
    torch.backends.cudnn.allow_tf32 = kind.startswith("tf32")
    torch.backends.cuda.matmul.allow_tf32 = kind.startswith("tf32")
    query = nn.Sequential(network, head).to(device, memory_format=layout)
    key = copy.deepcopy(query).requires_grad_(False)
    queue = F.normalize(torch.randn(128, QUEUE, device=device), dim=0)
    place = 0
    parameters = list(query.parameters())
    sgd = torch.optim.SGD(parameters, 0.06, momentum=0.9, weight_decay=5e-4, fused=True)
    views = [
        torch.rand(batch, 3, 32, 32, device=device).mul_(2).sub_(1).to(memory_format=layout)
        for _ in range(2)
    ]
    labels = torch.zeros(batch, dtype=torch.long, device=device)
    mixed = torch.autocast(
        device.partition(":")[0], torch.bfloat16, enabled=kind.startswith("bf16")
    )
    compiled = torch.compile if kind.endswith("-compiled") else lambda own: own
    of_query, of_key = compiled(query), compiled(key)

    def step():
        nonlocal place
        with mixed:
            q = F.normalize(of_query(views[0]).float(), dim=1)
            with torch.no_grad():
                torch._foreach_lerp_(list(key.parameters()), parameters, 1 - MOMENTUM)
                k = F.normalize(of_key(views[1]).float(), dim=1)
            positives = (q * k).sum(1, keepdim=True)
            logits = torch.cat([positives, q @ queue], 1) / TEMPERATURE
            loss = F.cross_entropy(logits.float(), labels)
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        queue[:, place : place + batch] = k.T
        place = (place + batch) % QUEUE
        return loss

    return step


def work(kind, network, width, batch, device):
    """Answers as the benchmark of cpipe does."""
    import time

    import torch

    step = training(network, width, batch, kind, device)
    for line in sys.stdin:
        begun = time.perf_counter()
        for _ in range(int(line)):
            loss = step()
        loss = loss.item()
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        print(time.perf_counter() - begun, loss, flush=True)


def taken(device):
    """What is taken of a GPU's memory, in GiB."""
    if not device.startswith("cuda"):
        return None
    index = device.partition(":")[2] or "0"
    asked = ["--query-gpu=memory.used", "--format=csv,noheader,nounits", "-i", index]
    return int(subprocess.check_output(["nvidia-smi", *asked], text=True)) / 1024


class Side:
    """A process that takes steps when it is asked."""

    def __init__(self, command):
        pipe = subprocess.PIPE
        # Threads that sleep at once are slower, PyTorch's by a fifth.
        environment = {name: own for name, own in os.environ.items() if name != "OMP_WAIT_POLICY"}
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment)
        self.seconds = []
        self.taken = None

    def take(self, steps):
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        seconds, _ = self.process.stdout.readline().split()
        return float(seconds) / steps

    def end(self):
        """The most memory that it has held, or what it has taken of a GPU's, in GiB."""
        self.process.stdin.close()
        _, status, usage = os.wait4(self.process.pid, 0)
        assert status == 0, f"a side ended with status {status}"
        return usage.ru_maxrss / 2**20 if self.taken is None else self.taken


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("step")
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--cpipe", default="libtorch-cpu")
    parser.add_argument("--torch", default="f32,f32-cl,bf16-cl")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--pipeline", default="pipelines/moco_cifar10.cpipe")
    parser.add_argument("--network", choices=list(NETWORKS), default="resnet18")
    given = parser.parse_args()

    sides = {}
    pipeline, folder = given.pipeline, tempfile.TemporaryDirectory()
    if given.network != "resnet18":
        term, _ = NETWORKS[given.network]
        own = re.sub(r"= resnet18\(.*\)", f"= {term}", open(pipeline).read())
        pipeline = os.path.join(folder.name, "other.cpipe")
        with open(pipeline, "w") as file:
            file.write(own.replace("resnet18}", f"{given.network}}}"))
    for device in given.cpipe.split(","):
        sizes = ["-o", f"batch={given.batch}"]
        if given.network != "vit_tiny":
            sizes += ["-o", f"width={given.width}"]
        name, _, precision = device.partition(":")
        if precision:
            sizes += ["-o", f"base.precision={precision}"]
        sides[f"cpipe {device}"] = [given.step, pipeline, "--device", name, *sizes]
    for kind in filter(None, given.torch.split(",")):
        sizes = [given.network, str(given.width), str(given.batch)]
        own = [sys.executable, __file__, "--worker", kind, *sizes, given.device]
        sides[f"PyTorch {kind}"] = own
    for name, command in sides.items():
        before = taken(given.device)
        sides[name] = Side(command)
        # The first steps choose kernels and fill caches.
        sides[name].take(2 * given.steps)
        if before is not None:
            sides[name].taken = taken(given.device) - before
    for _ in range(given.rounds):
        for side in sides.values():
            side.seconds.append(side.take(given.steps))

    medians = {name: statistics.median(side.seconds) for name, side in sides.items()}
    best = min((own for name, own in medians.items() if name.startswith("PyTorch")), default=None)
    _, name = NETWORKS[given.network]
    print(f"{name.format(width=given.width)}, batch {given.batch}, {given.rounds} rounds")
    print("| | ms a step | img/s | of the best PyTorch | GiB |\n|---|---|---|---|---|")
    for name, side in sides.items():
        own = medians[name]
        ratio = f"{best / own:.2f}" if best else ""
        speed = f"{1000 * own:.{0 if own > 0.1 else 2}f} | {given.batch / own:.0f}"
        print(f"| {name} | {speed} | {ratio} | {side.end():.2f} |", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        work(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]), sys.argv[6])
    else:
        main()
