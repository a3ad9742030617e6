"""Methods whose positives are the neighbours of an image among earlier ones."""

import copy

import torch
import torch.nn.functional as F
from torch import nn

from .method import BATCH, Method, Queue, convnet, cosine, follow, mlp
from .transformer import transformer

EVERY = torch.arange(BATCH)


class Nnclr(Method):
    """Dwibedi et al. 2021, arXiv:2104.14548, eq. 3 and algorithm 1; the mean of both directions."""

    queue, temperature, hidden, dim = 64, 0.5, 32, 8
    # The predictor's 4096 hidden units take long steps.
    lr = 0.0002
    mistakes = ["the other view itself", "the batch among its neighbours", "its own neighbour"]

    def modules(self):
        encoder, width = convnet(4)
        norms = {"norm": True, "output_norm": "batch"}
        projector = mlp(width, self.hidden, self.dim, layers=3, **norms)
        return [encoder, projector, mlp(self.dim, 4096, self.dim, norm=True)]

    def build(self, encoder, projector, predictor):
        self.network = nn.Sequential(encoder, projector)
        self.predictor = predictor
        self.earlier = Queue(self.queue, self.dim)
        return [self.network, self.predictor]

    def neighbour(self, z):
        if self.mistake == "the other view itself":
            return F.normalize(z).detach()
        return self.earlier.rows[(F.normalize(z) @ self.earlier.rows.T).argmax(1)]

    def loss(self, step, a, b):
        z = [self.network(a), self.network(b)]
        if self.mistake == "the batch among its neighbours":
            self.earlier.push(F.normalize(z[0]))
        near = [self.neighbour(own) for own in z]
        if self.mistake == "its own neighbour":
            near.reverse()
        p = [F.normalize(self.predictor(own)) for own in z]
        pairs = [(near[0], p[1]), (near[1], p[0])]
        each = [F.cross_entropy(own @ other.T / self.temperature, EVERY) for own, other in pairs]
        if self.mistake != "the batch among its neighbours":
            self.earlier.push(F.normalize(z[0]))
        return sum(each) / 2


class All4One(Method):
    """Estepa et al. 2023, arXiv:2303.09417, section 3, with the weights of solo-learn.

    Neighbours of what an average makes of the views, among what it made of earlier first views. The
    transformer is one of standard blocks, whose tokens have no places.
    """

    queue, several, temperature, among, dimensions = 64, 3, 0.2, 0.1, 5.0
    momentum, hidden, dim, lr = 0.9, 16, 8, 0.005
    mistakes = [
        "the prediction behind the neighbours",
        "one temperature",
        "one predictor",
        "dimensions not set against each other",
    ]

    def modules(self):
        encoder, width = convnet(4)
        norms = {"norm": True, "output_norm": "batch"}
        projector = mlp(width, self.hidden, self.dim, layers=3, **norms)
        single, mixed = [mlp(self.dim, 2 * self.hidden, self.dim, norm=True) for _ in range(2)]
        return [encoder, projector, single, transformer(self.dim, self.dim, 1, 1), mixed]

    def build(self, encoder, projector, single, attend, mixed):
        self.network = nn.Sequential(encoder, projector)
        self.average = copy.deepcopy(self.network)
        self.single, self.attend = single, attend
        self.mixed = single if self.mistake == "one predictor" else mixed
        self.earlier = Queue(self.queue, self.dim)
        return [self.network, single, attend] + [mixed] * (self.mistake != "one predictor")

    def contrast(self, targets, predictions, temperature):
        logits = F.normalize(targets) @ F.normalize(predictions).T / temperature
        return F.cross_entropy(logits, EVERY)

    def lines(self, t, z):
        """How far each dimension is from its like in the other view, and near to others."""
        t, z = [[F.normalize(view, dim=0) for view in network] for network in [t, z]]
        both = torch.stack([t[0].T @ z[1], t[1].T @ z[0]])
        like = torch.eye(self.dim).bool()
        own = (1 - both[:, like]).square().mean().sqrt()
        rest = both[:, ~like].square().mean().sqrt()
        return own if self.mistake == "dimensions not set against each other" else own + rest

    def loss(self, step, *views):
        z = [self.network(view) for view in views]
        with torch.no_grad():
            t = [F.normalize(self.average(view)) for view in views]
        rows = self.earlier.rows
        near = [rows[(own @ rows.T).topk(self.several, 1).indices] for own in t]
        self.earlier.push(t[0])
        first = [self.attend(own)[:, 0] for own in near]
        led = []
        for own, neighbours in zip(z, near):
            tokens = [self.mixed(own).unsqueeze(1), neighbours[:, :-1]]
            if self.mistake == "the prediction behind the neighbours":
                tokens.reverse()
            led.append(self.attend(torch.cat(tokens, 1))[:, 0])
        among = self.temperature if self.mistake == "one temperature" else self.among
        loss = self.dimensions * self.lines(t, z) / 2
        for own, other in [(0, 1), (1, 0)]:
            loss += self.contrast(near[own][:, 0], self.single(z[other]), self.temperature) / 4
            loss += self.contrast(first[own], led[other], among) / 4
        return loss

    def after(self, step):
        follow(self.average, self.network, cosine(self.momentum, 1.0, step))
