"""The step of MoCo v2 on a fixed batch, cpipe's and plain PyTorch's, in alternation.

    cargo bench --features libtorch --bench step --no-run    # prints the path of STEP
    python3 tests/python/step_speed.py STEP [--width 16] [--batch 256] [--steps 1] [--rounds 9]
        [--cpipe libtorch-cpu,libtorch-cpu:bf16,flex] [--torch f32,f32-cl,bf16-cl] [--device cpu]

Same network (ResNet-18 with the small stem), same batch size, same queue and optimizer; weights and
images are each side's own noise. Every round asks each for so many steps, one after the other, while
the others wait. Printed are medians, their ratio to the best of PyTorch, and the most memory that
each process has held. PyTorch's columns: f32, its memory order as it is or channels last (cl), and
the automatic mixed precision of bf16.
"""

import argparse
import copy
import os
import statistics
import subprocess
import sys

QUEUE, TEMPERATURE, MOMENTUM = 4096, 0.1, 0.99


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


def training(width, batch, kind, device):
    """A function that takes one step, as a plain script of PyTorch has it."""
    import torch
    import torch.nn.functional as F
    from torch import nn

    network, features = encoder(width)
    head = nn.Sequential(nn.Linear(features, features), nn.ReLU(), nn.Linear(features, 128))
    layout = torch.channels_last if kind.endswith("-cl") else torch.contiguous_format
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
    mixed = torch.autocast(device, torch.bfloat16, enabled=kind.startswith("bf16"))

    def step():
        nonlocal place
        with mixed:
            q = F.normalize(query(views[0]).float(), dim=1)
            with torch.no_grad():
                torch._foreach_lerp_(list(key.parameters()), parameters, 1 - MOMENTUM)
                k = F.normalize(key(views[1]).float(), dim=1)
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


def work(kind, width, batch, device):
    """Answers as the benchmark of cpipe does."""
    import time

    import torch

    step = training(width, batch, kind, device)
    for line in sys.stdin:
        begun = time.perf_counter()
        for _ in range(int(line)):
            loss = step()
        loss = loss.item()
        if device == "cuda":
            torch.cuda.synchronize()
        print(time.perf_counter() - begun, loss, flush=True)


class Side:
    """A process that takes steps when it is asked."""

    def __init__(self, command):
        pipe = subprocess.PIPE
        # Threads that sleep at once are slower, PyTorch's by a fifth.
        environment = {name: own for name, own in os.environ.items() if name != "OMP_WAIT_POLICY"}
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment)
        self.seconds = []

    def take(self, steps):
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        seconds, _ = self.process.stdout.readline().split()
        return float(seconds) / steps

    def end(self):
        """The most memory that it has held, in GiB."""
        self.process.stdin.close()
        _, status, usage = os.wait4(self.process.pid, 0)
        assert status == 0, f"a side ended with status {status}"
        return usage.ru_maxrss / 2**20


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
    given = parser.parse_args()

    sides = {}
    for device in given.cpipe.split(","):
        sizes = ["-o", f"width={given.width}", "-o", f"batch={given.batch}"]
        name, _, precision = device.partition(":")
        if precision:
            sizes += ["-o", f"base.precision={precision}"]
        sides[f"cpipe {device}"] = [given.step, given.pipeline, "--device", name, *sizes]
    for kind in filter(None, given.torch.split(",")):
        sizes = [str(given.width), str(given.batch)]
        own = [sys.executable, __file__, "--worker", kind, *sizes, given.device]
        sides[f"PyTorch {kind}"] = own
    sides = {name: Side(command) for name, command in sides.items()}
    for side in sides.values():
        # The first steps choose kernels and fill caches.
        side.take(2 * given.steps)
    for _ in range(given.rounds):
        for side in sides.values():
            side.seconds.append(side.take(given.steps))

    medians = {name: statistics.median(side.seconds) for name, side in sides.items()}
    best = min((own for name, own in medians.items() if name.startswith("PyTorch")), default=None)
    print(f"ResNet-18, width {given.width}, batch {given.batch}, {given.rounds} rounds")
    print("| | ms a step | img/s | of the best PyTorch | GiB |\n|---|---|---|---|---|")
    for name, side in sides.items():
        own = medians[name]
        ratio = f"{best / own:.2f}" if best else ""
        speed = f"{1000 * own:.0f} | {given.batch / own:.0f}"
        print(f"| {name} | {speed} | {ratio} | {side.end():.2f} |", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        work(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
    else:
        main()
