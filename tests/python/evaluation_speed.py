"""The parts of an evaluation, cpipe's and plain PyTorch's, in alternation.

    cargo bench --features libtorch --bench evaluation --no-run    # prints the path of EVALUATION
    python3 tests/python/evaluation_speed.py EVALUATION [--rounds 5] [--devices flex,libtorch-cpu]
        [--parts features:16,knn:128,knn:512,probe:128]

A device may have a precision, `libtorch-cpu:bf16`, in which networks compute; PyTorch's is then its
automatic mixed precision, on a side of its own.

`features:W` passes 10,000 images of 32 pixels through a ResNet-18 of width W, `knn:D` finds the 200
nearest of 50,000 features of D numbers for each of 10,000, weighted as Wu et al. do, `probe:D` fits
a logistic regression on 50,000 by at most 100 steps of L-BFGS. Features are each side's own noise
about ten directions. Every round asks each side once, one after the other, while the others wait.
Printed are medians, their ratio, and the most memory that a process has held.
"""

import argparse
import os
import statistics
import sys
import time

from step_speed import Side, encoder

TRAIN, TEST, CLASSES = 50_000, 10_000, 10


def features(dim):
    import torch

    directions = torch.randn(CLASSES, dim)

    def some(count):
        labels = torch.arange(count) % CLASSES
        return 1.5 / dim**0.5 * directions[labels] + torch.randn(count, dim), labels

    return some(TRAIN), some(TEST)


def knn(dim):
    import torch
    import torch.nn.functional as F

    (train, labels), (test, expected) = features(dim)

    def run():
        bank = F.normalize(train, dim=1).T.contiguous()
        right = 0
        for start in range(0, TEST, 500):
            queries = F.normalize(test[start : start + 500], dim=1)
            similarities, nearest = (queries @ bank).topk(200, dim=1)
            weights = ((similarities - similarities[:, :1]) / 0.1).exp()
            votes = torch.zeros(len(queries), CLASSES)
            votes.scatter_add_(1, labels[nearest], weights)
            right += (votes.argmax(1) == expected[start : start + 500]).sum().item()
        assert right > 0.3 * TEST

    return run


def probe(dim):
    import torch
    import torch.nn.functional as F

    (train, labels), (test, expected) = features(dim)

    def run():
        mean, std = train.mean(0), train.std(0)
        x = (train - mean) / std
        weight = torch.zeros(dim, CLASSES, requires_grad=True)
        bias = torch.zeros(CLASSES, requires_grad=True)
        search = torch.optim.LBFGS(
            [weight, bias], max_iter=100, history_size=10, tolerance_grad=1e-5,
            tolerance_change=0, line_search_fn="strong_wolfe",
        )

        def closure():
            search.zero_grad()
            loss = F.cross_entropy(x @ weight + bias, labels) + 0.5e-4 * weight.square().sum()
            loss.backward()
            return loss

        search.step(closure)
        logits = (test - mean) / std @ weight.detach() + bias.detach()
        assert (logits.argmax(1) == expected).float().mean() > 0.3

    return run


def read(width, mixed=False):
    import torch

    network, _ = encoder(width)
    network = network.eval().to(memory_format=torch.channels_last)
    images = torch.randint(0, 256, (TEST, 3, 32, 32), dtype=torch.uint8)

    @torch.inference_mode()
    @torch.autocast("cpu", torch.bfloat16, enabled=mixed)
    def run():
        for start in range(0, TEST, 500):
            x = images[start : start + 500].to(memory_format=torch.channels_last)
            network((x.float() / 255 - 0.5) / 0.25)

    return run


def worker(what, size):
    makers = {"features": read, "mixed": lambda own: read(own, mixed=True), "knn": knn, "probe": probe}
    run = makers[what](size)
    for line in sys.stdin:
        begun = time.perf_counter()
        for _ in range(int(line)):
            run()
        print(time.perf_counter() - begun, 0, flush=True)


def main():
    # Threads that sleep at once are slower, PyTorch's by a fifth.
    os.environ.pop("OMP_WAIT_POLICY", None)
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("evaluation")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--devices", default="flex,libtorch-cpu")
    parser.add_argument("--parts", default="features:16,knn:128,knn:512,probe:128")
    given = parser.parse_args()

    print("| | seconds | of PyTorch's better speed | GiB |\n|---|---|---|---|")
    for part in given.parts.split(","):
        what, size = part.split(":")
        sides = {
            f"cpipe {own}": [
                given.evaluation, what, "--device", own.partition(":")[0], "--dim", size,
                "--precision", own.partition(":")[2] or "f32",
            ]
            for own in given.devices.split(",")
        }
        sides["PyTorch"] = [sys.executable, __file__, "--worker", what, size]
        if what == "features" and "bf16" in given.devices:
            sides["PyTorch bf16"] = [sys.executable, __file__, "--worker", "mixed", size]
        sides = {name: Side(command) for name, command in sides.items()}
        for side in sides.values():
            # The first chooses kernels and fills caches.
            side.take(1)
        for _ in range(given.rounds):
            for side in sides.values():
                side.seconds.append(side.take(1))
        medians = {name: statistics.median(side.seconds) for name, side in sides.items()}
        best = min(own for name, own in medians.items() if name.startswith("PyTorch"))
        for name, side in sides.items():
            ratio = best / medians[name]
            print(f"| {part} {name} | {medians[name]:.2f} | {ratio:.2f} | {side.end():.2f} |", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        worker(sys.argv[2], int(sys.argv[3]))
    else:
        main()
