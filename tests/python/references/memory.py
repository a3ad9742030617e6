"""Methods that tell a positive from what earlier steps have kept."""

import copy

import torch
import torch.nn.functional as F
from torch import nn

from .method import BATCH, Method, Queue, convnet, cosine, follow, mlp, unit_rows

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



class InstanceDiscrimination(Method):
    """Wu et al. 2018, arXiv:1805.01978, eq. 2, and section 3.1 for the memory.

    A batch has the first images in each step. Their memories move towards them, at length one.
    """

    images, temperature, momentum, dim = 640, 0.1, 0.5, 8
    sizes = [8]
    mistakes = ["the memory moved before the loss", "a memory of any length"]

    def modules(self):
        encoder, width = convnet(4)
        return [encoder, nn.Linear(width, self.dim)]

    def build(self, *modules):
        self.network = nn.Sequential(*modules)
        self.memory = unit_rows("queue", self.images, self.dim)
        return [self.network]

    def move(self, z):
        moved = self.momentum * self.memory[:BATCH] + (1 - self.momentum) * z.detach()
        if self.mistake != "a memory of any length":
            moved = F.normalize(moved)
        self.memory = torch.cat([moved, self.memory[BATCH:]])

    def loss(self, step, view):
        z = F.normalize(self.network(view))
        if self.mistake == "the memory moved before the loss":
            self.move(z)
        loss = F.cross_entropy(z @ self.memory.T / self.temperature, EVERY)
        if self.mistake != "the memory moved before the loss":
            self.move(z)
        return loss
