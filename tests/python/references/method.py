"""What the references of the library's methods share: their numbers, networks and training.

Weights, images, queues and what is drawn by chance are numbers that both sides compute from their
names. The labels are the places in the batch, counted modulo eight.
"""

import functools

import numpy
import torch
import torch.nn.functional as F
from torch import nn

torch.set_default_dtype(torch.double)
# Many small operations: threads would only wait for each other.
torch.set_num_threads(1)

STEPS = 20
EPOCH = 5
BATCH = 32
# With these numbers, no rectifier comes so near to its kink that rounding would decide: where one
# does, two right trainings part by more than what they are compared by.
SEED = 0
LABELS = torch.arange(BATCH) % 8


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


def draw(step, place, *shape):
    """What an objective draws in a step, by the place of what draws among all that do, from 0."""
    return numbers(f"draw.{step}.{place}", *shape)


def draw_among(step, place, count, size):
    """As many numbers of 0 to `size`, which is left out."""
    return ((draw(step, place, count) + 1) / 2 * size).long()


def draw_order(step, place, count, size):
    """For each of `count` examples, at which place each of `size` rows comes."""
    return draw(step, place, count, size).argsort(1)


def views(step, sizes):
    """Of each size one: the upper left of the step's images, four squares each, and some noise.

    The squares have a side of four, or of eight in views of more than eight pixels.
    """
    images = numbers(f"images.{step}", BATCH, 3, 2, 2)

    def view(place, size):
        side = 4 if size <= 8 else 8
        squares = images.repeat_interleave(side, 2).repeat_interleave(side, 3)
        noise = numbers(f"view.{step}.{place}", BATCH, 3, size, size)
        return single(3 * squares[:, :, :size, :size] + noise) / 4

    return [view(place, size) for place, size in enumerate(sizes)]


@torch.no_grad()
def fill(name, network):
    """Uniform as by He et al. 2015, biases too, and tokens near zero; norms start as they do."""
    for layer, module in network.named_modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm)):
            continue
        bound = 0.02
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            bound = (6 / module.weight[0].numel()) ** 0.5
        for part, own in module.named_parameters(recurse=False):
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


def mlp(
    before, hidden, out, layers=2, norm=False, output_norm=None, bias=True, activation=nn.ReLU
):
    """Linear layers with an activation after each but the last.

    `output_norm` is None, "batch", or "plain" for one without a learned scale and shift.
    """
    parts = []
    for _ in range(layers - 1):
        parts.append(nn.Linear(before, hidden, bias=bias))
        parts += [nn.BatchNorm1d(hidden)] if norm else []
        parts.append(activation())
        before = hidden
    parts.append(nn.Linear(before, out, bias=bias))
    if output_norm:
        parts.append(nn.BatchNorm1d(out, affine=output_norm == "batch"))
    return nn.Sequential(*parts)


def unit_rows(name, count, dim):
    """Rows of length one."""
    return single(F.normalize(numbers(name, count, dim)))


class Queue:
    """The newest rows, first in, first out; before them unit rows."""

    def __init__(self, size, dim):
        self.rows = unit_rows("queue", size, dim)
        self.at = 0

    def push(self, rows):
        self.rows = self.rows.clone()
        self.rows[self.at : self.at + len(rows)] = rows.detach()
        self.at = (self.at + len(rows)) % len(self.rows)


def cosine(begin, end, step):
    """From one to the other by half a wave over the training."""
    share = (torch.cos(torch.tensor(torch.pi * step / STEPS)) + 1) / 2
    return end - (end - begin) * share


def ramp(begin, end, over, step):
    """From one to the other in a line over so many steps, and there from then on."""
    return begin + (end - begin) * min(step / over, 1.0)


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
        trained = [p for network in self.networks for p in network.parameters()]
        sgd = torch.optim.SGD(trained, lr=self.lr, momentum=0.9, weight_decay=5e-4)
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
