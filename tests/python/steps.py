"""The losses that src/train/steps.rs holds trainings against: PyTorch's, in f64.

usage: steps.py [--write] src/train/steps.json

Trains five methods for twenty steps, each as its paper states it, with PyTorch's own layers, losses
and optimizer; then again with one mistake each, for the test to tell from the right training.
Checks that the file holds these losses, or writes it.

Weights, images and the queue are numbers that both sides compute from their names, so that the file
holds losses only. The settings keep rounding from growing: images that differ, norms over at least
32 examples, small steps.
"""

import copy
import functools
import json
import re
import sys
from pathlib import Path

import numpy
import torch
import torch.nn.functional as F
from torch import nn

torch.set_default_dtype(torch.double)
# Many small operations: threads would only wait for each other.
torch.set_num_threads(1)

STEPS = 20
BATCH = 32
# With these numbers, no rectifier comes so near to its kink that rounding would decide: where one
# does, two right trainings part by more than what they are compared by.
SEED = 0


@functools.cache
def numbers(name, *shape):
    """Numbers in [-1, 1) without a rule, the same for the same name: multiples of 2^-23.

    The name by FNV-1a, the places by the finalizer of SplitMix64 (Steele et al. 2014).
    """
    seed = 0xCBF29CE484222325
    for byte in f"{SEED}.{name}".encode():
        seed = (seed ^ byte) * 0x100000001B3 % 2**64
    z = numpy.arange(1, torch.Size(shape).numel() + 1, dtype=numpy.uint64)
    z = z * numpy.uint64(0x9E3779B97F4A7C15) + numpy.uint64(seed)
    z = (z ^ z >> 30) * numpy.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ z >> 27) * numpy.uint64(0x94D049BB133111EB)
    z = (z ^ z >> 31) >> 40
    return torch.tensor(z.astype(float) / 2**23 - 1).reshape(shape)


def single(values):
    """As far as single precision holds it."""
    return values.float().double()


def views(step, sizes):
    """Of each size one: the upper left of the step's images, four squares each, and some noise."""
    images = numbers(f"images.{step}", BATCH, 3, 2, 2)
    images = images.repeat_interleave(4, 2).repeat_interleave(4, 3)
    noise = [numbers(f"view.{step}.{n}", BATCH, 3, size, size) for n, size in enumerate(sizes)]
    return [single(3 * images[:, :, : n.shape[2], : n.shape[2]] + n) / 4 for n in noise]


@torch.no_grad()
def fill(name, network):
    """Uniform as by He et al. 2015, biases too; norms start as they do."""
    for layer, module in network.named_modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            bound = (6 / module.weight[0].numel()) ** 0.5
            for part, own in module.named_parameters():
                full = ".".join(filter(None, [name, layer, part]))
                own.copy_(single(numbers(full, *own.shape) * bound))


def convnet(width):
    """Five convolutions, each with its norm and a rectifier, and the mean of the last maps."""
    layers, before = {}, 3
    for number, (times, stride) in enumerate([(1, 1), (2, 2), (4, 2), (8, 2), (8, 1)], 1):
        layers[f"conv{number}"] = nn.Conv2d(before, times * width, 3, stride, 1, bias=False)
        layers[f"bn{number}"] = nn.BatchNorm2d(times * width)
        layers[f"relu{number}"] = nn.ReLU()
        before = times * width
    layers |= {"pool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten()}
    network = nn.Sequential()
    for name, layer in layers.items():
        network.add_module(name, layer)
    return network, before


def mlp(before, hidden, out, norm=False):
    norms = [nn.BatchNorm1d(hidden)] if norm else []
    layers = [nn.Linear(before, hidden), *norms, nn.ReLU(), nn.Linear(hidden, out)]
    return nn.Sequential(*layers)


@torch.no_grad()
def follow(average, network, momentum):
    for own, other in zip(average.parameters(), network.parameters(), strict=True):
        own.copy_(momentum * own + (1 - momentum) * other)


class Method:
    """What a step computes, and what it does before and after the optimizer has moved."""

    sizes = [8, 8]
    lr = 0.02

    def __init__(self, mistake=None):
        assert mistake is None or mistake in self.mistakes, mistake
        self.mistake = mistake
        modules = self.modules()
        for place, module in enumerate(modules):
            fill(f"module.{place}", module)
        self.networks = self.build(*modules)

    def before(self, step):
        pass

    def after(self, step):
        pass

    def losses(self):
        parameters = [p for network in self.networks for p in network.parameters()]
        sgd = torch.optim.SGD(parameters, lr=self.lr, momentum=0.9, weight_decay=5e-4)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(sgd, STEPS)
        losses = []
        for step in range(STEPS):
            loss = self.loss(step, *views(step, self.sizes))
            sgd.zero_grad()
            loss.backward()
            self.before(step)
            sgd.step()
            schedule.step()
            self.after(step)
            losses.append(loss.item())
        return losses


class MoCo(Method):
    """He et al. 2019, arXiv:1911.05722, algorithm 1, with the head of Chen et al. 2020."""

    queue, momentum, temperature, dim = 64, 0.9, 0.2, 8
    mistakes = [
        "keys pushed before the loss",
        "the newest keys overwritten",
        "keys of the trained weights",
    ]

    def modules(self):
        encoder, width = convnet(4)
        return [encoder, mlp(width, width, self.dim)]

    def build(self, *modules):
        self.query = nn.Sequential(*modules)
        self.key = copy.deepcopy(self.query)
        self.rows = single(F.normalize(numbers("queue", self.queue, self.dim)))
        return [self.query]

    def loss(self, step, a, b):
        q = F.normalize(self.query(a))
        with torch.no_grad():
            momentum = 0.0 if self.mistake == "keys of the trained weights" else self.momentum
            follow(self.key, self.query, momentum)
            k = F.normalize(self.key(b))
        if self.mistake == "keys pushed before the loss":
            self.push(step, k)
        positive = torch.einsum("nc,nc->n", q, k).unsqueeze(1)
        logits = torch.cat([positive, q @ self.rows.T], 1) / self.temperature
        if self.mistake != "keys pushed before the loss":
            self.push(step, k)
        return F.cross_entropy(logits, torch.zeros(BATCH, dtype=torch.long))

    def push(self, step, k):
        at = 0 if self.mistake == "the newest keys overwritten" else step * BATCH % self.queue
        self.rows = self.rows.clone()
        self.rows[at : at + BATCH] = k


class SimClr(Method):
    """Chen et al. 2020, arXiv:2002.05709, eq. 1; each view is a batch of its own for the norms."""

    temperature, dim = 0.5, 8
    mistakes = ["a view among its own negatives", "one direction"]

    def modules(self):
        encoder, width = convnet(4)
        return [encoder, mlp(width, width, self.dim)]

    def build(self, *modules):
        self.network = nn.Sequential(*modules)
        return [self.network]

    def loss(self, step, a, b):
        z = F.normalize(torch.cat([self.network(a), self.network(b)]))
        logits = z @ z.T / self.temperature
        if self.mistake != "a view among its own negatives":
            logits = logits.masked_fill(torch.eye(len(z)).bool(), -torch.inf)
        other = torch.arange(len(z)).roll(BATCH)
        rows = slice(BATCH) if self.mistake == "one direction" else slice(None)
        return F.cross_entropy(logits[rows], other[rows])


class Byol(Method):
    """Grill et al. 2020, arXiv:2006.07733, eq. 2 and section 3.1."""

    momentum, hidden, dim, lr = 0.9, 32, 8, 0.01
    mistakes = ["the momentum of the next step", "the target before the optimizer", "one direction"]

    def modules(self):
        encoder, width = convnet(4)
        projector = mlp(width, self.hidden, self.dim, norm=True)
        return [encoder, projector, mlp(self.dim, self.hidden, self.dim, norm=True)]

    def build(self, encoder, projector, predictor):
        self.online = nn.Sequential(encoder, projector)
        self.predictor = predictor
        self.target = copy.deepcopy(self.online)
        return [self.online, self.predictor]

    def loss(self, step, a, b):
        with torch.no_grad():
            targets = [self.target(b), self.target(a)]
        predictions = [self.predictor(self.online(view)) for view in [a, b]]
        pairs = zip(predictions, targets)
        each = [F.mse_loss(F.normalize(p), F.normalize(t)) * self.dim for p, t in pairs]
        return each[0] if self.mistake == "one direction" else sum(each)

    def before(self, step):
        if self.mistake == "the target before the optimizer":
            self.move(step)

    def after(self, step):
        if self.mistake != "the target before the optimizer":
            self.move(step)

    def move(self, step):
        step += self.mistake == "the momentum of the next step"
        share = (torch.cos(torch.tensor(torch.pi * step / STEPS)) + 1) / 2
        follow(self.target, self.online, 1 - (1 - self.momentum) * share)


class BarlowTwins(Method):
    """Zbontar et al. 2021, arXiv:2103.03230, eq. 1 and 2, and section 2.2 for the projector."""

    weight, scale, dim = 0.02, 0.1, 16
    mistakes = ["one less than the batch", "the diagonal among the others"]

    def modules(self):
        encoder, width = convnet(4)
        layers = []
        for before in [width, self.dim]:
            linear = nn.Linear(before, self.dim, bias=False)
            layers += [linear, nn.BatchNorm1d(self.dim), nn.ReLU()]
        layers.append(nn.Linear(self.dim, self.dim, bias=False))
        return [encoder, nn.Sequential(*layers)]

    def build(self, *modules):
        self.network = nn.Sequential(*modules)
        self.norm = nn.BatchNorm1d(self.dim, affine=False)
        return [self.network]

    def loss(self, step, a, b):
        za, zb = self.norm(self.network(a)), self.norm(self.network(b))
        c = za.T @ zb / (BATCH - (self.mistake == "one less than the batch"))
        invariance = (c.diagonal() - 1).pow(2).sum()
        others = ~torch.eye(self.dim).bool()
        if self.mistake == "the diagonal among the others":
            others[:] = True
        return self.scale * (invariance + self.weight * c[others].pow(2).sum())


class SwaV(Method):
    """Caron et al. 2020, arXiv:2006.09882, eq. 2, 3 and 6, and appendix A.

    For the norms, each large view is a batch of its own, and the small ones are one.
    """

    sizes = [8, 8, 6, 6, 6, 6]
    count, temperature, epsilon, hidden, dim, frozen = 12, 0.1, 0.05, 32, 8, 5
    lr = 0.01
    mistakes = [
        "prototypes that move at once",
        "prototypes of any length",
        "assignments that learn",
        "large views alone",
    ]

    def modules(self):
        encoder, width = convnet(4)
        projector = mlp(width, self.hidden, self.dim, norm=True)
        return [encoder, projector, nn.Linear(self.dim, self.count, bias=False)]

    def build(self, encoder, projector, prototypes):
        self.network = nn.Sequential(encoder, projector)
        self.prototypes = prototypes
        self.normalize()
        return [self.network, self.prototypes]

    @torch.no_grad()
    def normalize(self):
        self.prototypes.weight.copy_(F.normalize(self.prototypes.weight))

    def sinkhorn(self, scores):
        q = torch.exp(scores / self.epsilon).T
        q = q / q.sum()
        for _ in range(3):
            q = q / q.sum(1, keepdim=True) / self.count
            q = q / q.sum(0, keepdim=True) / BATCH
        return (q * BATCH).T

    def loss(self, step, *crops):
        if self.mistake != "prototypes of any length":
            self.normalize()
        z = [self.network(crops[0]), self.network(crops[1]), self.network(torch.cat(crops[2:]))]
        scores = self.prototypes(F.normalize(torch.cat(z))).split(BATCH)
        with torch.set_grad_enabled(self.mistake == "assignments that learn"):
            assigned = [self.sinkhorn(scores[large]) for large in [0, 1]]
        seen = range(2 if self.mistake == "large views alone" else len(crops))
        pairs = [(large, view) for large in [0, 1] for view in seen if view != large]
        predicted = [score / self.temperature for score in scores]
        return sum(F.cross_entropy(predicted[v], assigned[l]) for l, v in pairs) / len(pairs)

    def before(self, step):
        if step < self.frozen and self.mistake != "prototypes that move at once":
            self.prototypes.weight.grad = None


METHODS = {
    "moco_v2": MoCo,
    "simclr": SimClr,
    "byol": Byol,
    "barlow_twins": BarlowTwins,
    "swav": SwaV,
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
