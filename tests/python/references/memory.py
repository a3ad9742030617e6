"""Methods that tell a positive from what earlier steps have kept."""

import copy

import torch
import torch.nn.functional as F
from torch import nn

from .method import BATCH, Method, Queue, convnet, cosine, draw_among, follow, mlp, unit_rows

EVERY = torch.arange(BATCH)


def pick(logits):
    """The cross entropy of picking the first of each row."""
    return F.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long))


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
        self.earlier = Queue(self.queue, self.dim)
        return [self.query]

    def loss(self, step, a, b):
        q = F.normalize(self.query(a))
        with torch.no_grad():
            momentum = 0.0 if self.mistake == "keys of the trained weights" else self.momentum
            follow(self.key, self.query, momentum)
            k = F.normalize(self.key(b))
        if self.mistake == "keys pushed before the loss":
            self.earlier.push(k)
        positive = torch.einsum("nc,nc->n", q, k).unsqueeze(1)
        logits = torch.cat([positive, q @ self.earlier.rows.T], 1) / self.temperature
        if self.mistake == "the newest keys overwritten":
            self.earlier.at = 0
        if self.mistake != "keys pushed before the loss":
            self.earlier.push(k)
        return pick(logits)


class MoCoV1(MoCo):
    """He et al. 2019, arXiv:1911.05722, algorithm 1, behind one linear layer."""

    temperature = 0.1

    def modules(self):
        encoder, width = convnet(4)
        return [encoder, nn.Linear(width, self.dim)]


class MoCoV2Plus(Method):
    """Chen et al. 2020, arXiv:2003.04297, with the symmetric loss of Chen and He 2020, table 4.

    A queue for the keys of each view, the mean of both directions, and a momentum that rises, as in
    solo-learn.
    """

    queue, temperature, hidden, dim = 64, 0.2, 32, 8
    mistakes = ["earlier keys of the query's own view", "one direction", "the sum"]

    def modules(self):
        encoder, width = convnet(4)
        return [encoder, mlp(width, self.hidden, self.dim)]

    def build(self, *modules):
        self.query = nn.Sequential(*modules)
        self.key = copy.deepcopy(self.query)
        self.earlier = [Queue(self.queue, self.dim), Queue(self.queue, self.dim)]
        return [self.query]

    def loss(self, step, *views):
        q = [F.normalize(self.query(view)) for view in views]
        with torch.no_grad():
            k = [F.normalize(self.key(view)) for view in views]

        def contrast(own, other):
            turned = self.mistake == "earlier keys of the query's own view"
            negatives = q[own] @ self.earlier[own if turned else other].rows.T
            positive = (q[own] * k[other]).sum(1, keepdim=True)
            return pick(torch.cat([positive, negatives], 1) / self.temperature)

        each = [contrast(0, 1), contrast(1, 0)]
        for earlier, keys in zip(self.earlier, k):
            earlier.push(keys)
        if self.mistake == "one direction":
            return each[0]
        return sum(each) / (1 if self.mistake == "the sum" else 2)

    def after(self, step):
        follow(self.key, self.query, cosine(0.9, 0.99, step))


class Memory:
    """Wu et al. 2018, section 3.1: a row of length one for each image.

    A batch has the first images in each step. Their memories move towards them, at length one, as in
    the authors' code.
    """

    def __init__(self, images, dim, momentum):
        self.rows = unit_rows("queue", images, dim)
        self.momentum = momentum

    def move(self, z, normalized=True):
        moved = self.momentum * self.rows[:BATCH] + (1 - self.momentum) * z.detach()
        if normalized:
            moved = F.normalize(moved)
        self.rows = torch.cat([moved, self.rows[BATCH:]])


class InstanceDiscrimination(Method):
    """Wu et al. 2018, arXiv:1805.01978, eq. 2, and section 3.1 for the memory."""

    images, temperature, momentum, dim = 640, 0.1, 0.5, 8
    sizes = [8]
    mistakes = ["the memory moved before the loss", "a memory of any length"]

    def modules(self):
        encoder, width = convnet(4)
        return [encoder, nn.Linear(width, self.dim)]

    def build(self, *modules):
        self.network = nn.Sequential(*modules)
        self.memory = Memory(self.images, self.dim, self.momentum)
        return [self.network]

    def told(self, step, z):
        return F.cross_entropy(z @ self.memory.rows.T / self.temperature, EVERY)

    def loss(self, step, view):
        z = F.normalize(self.network(view))
        normalized = self.mistake != "a memory of any length"
        if self.mistake == "the memory moved before the loss":
            self.memory.move(z, normalized)
            return self.told(step, z)
        loss = self.told(step, z)
        self.memory.move(z, normalized)
        return loss


class Nce(InstanceDiscrimination):
    """Wu et al. 2018, arXiv:1805.01978, eq. 5 to 7 and 8: the image's own row, or one of noise.

    The whole batch has the same rows of noise, and estimates the constant of eq. 8 from them in
    each step, where the authors' code keeps that of the first batch.
    """

    count, lr = 64, 0.01
    mistakes = [
        "the memory moved before the loss",
        "a constant that learns",
        "noise drawn once",
        "the mean over the noise",
    ]

    def told(self, step, z):
        noise = draw_among(step, 0, self.count, self.images)
        own = torch.exp((z * self.memory.rows[:BATCH]).sum(1) / self.temperature)
        others = torch.exp(z @ self.memory.rows[noise].T / self.temperature)
        constant = self.images * others.mean()
        if self.mistake != "a constant that learns":
            constant = constant.detach()
        times = 1 if self.mistake == "noise drawn once" else self.count
        # All images are as probable in the noise.
        own, others = [p / constant / (p / constant + times / self.images) for p in [own, others]]
        each = torch.log(1 - others)
        each = each.mean(1) if self.mistake == "the mean over the noise" else each.sum(1)
        return -(torch.log(own) + each).mean()


class Cmc(Method):
    """Tian et al. 2019, arXiv:1906.05849, eq. 3 and 6, and section 3.4 for the memory.

    By the softmax of the authors' code over an image's own row and those that are drawn, which are
    the same for both views, and here for the whole batch.
    """

    images, count, temperature, momentum, dim, lr = 640, 64, 0.1, 0.5, 8, 0.01
    mistakes = [
        "each view its own memory",
        "one direction",
        "the mean of both",
        "drawn by each view",
    ]

    def modules(self):
        return [own for _ in range(2) for own in [convnet(4)[0], nn.Linear(32, self.dim)]]

    def build(self, *modules):
        self.views = [nn.Sequential(*modules[:2]), nn.Sequential(*modules[2:])]
        self.memories = [Memory(self.images, self.dim, self.momentum) for _ in range(2)]
        return self.views

    def loss(self, step, *views):
        z = [F.normalize(network(view)) for network, view in zip(self.views, views)]

        def contrast(view):
            of_view = view if self.mistake == "each view its own memory" else 1 - view
            rows = self.memories[of_view].rows
            by = view if self.mistake == "drawn by each view" else 0
            drawn = rows[draw_among(step, by, self.count, self.images)]
            own = (z[view] * rows[:BATCH]).sum(1, keepdim=True)
            return pick(torch.cat([own, z[view] @ drawn.T], 1) / self.temperature)

        each = [contrast(0), contrast(1)]
        for memory, own in zip(self.memories, z):
            memory.move(own)
        if self.mistake == "one direction":
            return each[0]
        return sum(each) / (2 if self.mistake == "the mean of both" else 1)
