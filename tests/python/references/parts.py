"""Methods that look at the parts of an image."""

import copy
import itertools

import torch
import torch.nn.functional as F
from torch import nn

from .memory import EVERY, Memory, pick
from .method import Method, Queue, convnet, draw_among, follow, mlp
from .transformer import transformer


class DenseCl(Method):
    """Wang et al. 2020, arXiv:2011.09157, eq. 2 and 3, and section 3.4 for the correspondence.

    As in the authors' code, the negatives of positions are means of local keys before these are
    normalised.
    """

    sizes = [16, 16]
    queue, momentum, temperature, dim, dense = 64, 0.9, 0.2, 8, 0.5
    mistakes = ["means of normalised keys", "keys of the same place", "the global negatives"]

    def modules(self):
        encoder, width = convnet(4)
        heads = [mlp(width, width, self.dim), mlp(width, width, self.dim)]
        return [encoder, *heads]

    def build(self, encoder, whole, local):
        self.query = nn.ModuleDict({"maps": encoder[:-2], "whole": whole, "local": local})
        self.key = copy.deepcopy(self.query)
        self.earlier = [Queue(self.queue, self.dim), Queue(self.queue, self.dim)]
        return [self.query]

    def apply(self, network, view):
        """Of the image one vector, of each position one, and what the backbone has there."""
        maps = network["maps"](view).flatten(2).mT
        return network["whole"](maps.mean(1)), network["local"](maps), F.normalize(maps, dim=2)

    def contrast(self, q, k, negatives):
        logits = torch.cat([(q * k).sum(1, keepdim=True), q @ negatives.T], 1)
        return pick(logits / self.temperature)

    def loss(self, step, a, b):
        whole, local, seen = self.apply(self.query, a)
        with torch.no_grad():
            follow(self.key, self.query, self.momentum)
            whole_key, local_key, other = self.apply(self.key, b)
            nearest = (seen @ other.mT).argmax(2, keepdim=True)
            if self.mistake == "keys of the same place":
                nearest = torch.arange(nearest.shape[1]).reshape(1, -1, 1).expand_as(nearest)
            unit_key = F.normalize(local_key, dim=2)
            match = unit_key.gather(1, nearest.expand(-1, -1, self.dim))
            means = unit_key if self.mistake == "means of normalised keys" else local_key
            means, whole_key = F.normalize(means.mean(1)), F.normalize(whole_key)
        of_places = 0 if self.mistake == "the global negatives" else 1
        one = self.contrast(F.normalize(whole), whole_key, self.earlier[0].rows)
        q, k = F.normalize(local, dim=2).flatten(0, 1), match.flatten(0, 1)
        each = self.contrast(q, k, self.earlier[of_places].rows)
        self.earlier[0].push(whole_key)
        self.earlier[1].push(means)
        return (1 - self.dense) * one + self.dense * each


class Cpc(Method):
    """Van den Oord et al. 2018, arXiv:1807.03748, eq. 4 and section 3.2.

    A causal transformer in the place of the PixelCNN; cosines, of what is predicted and of a linear
    map of the features. The negatives are the windows of all images in rows as far ahead.
    """

    sizes = [16]
    grid, side, ahead, temperature, dim, lr = 4, 8, 2, 0.2, 8, 0.01
    mistakes = ["a context that sees all", "rows ahead exchanged", "negatives of the same row"]

    def modules(self):
        encoder, width = convnet(4)
        causal = self.mistake != "a context that sees all"
        context = transformer(width, self.dim, heads=3, depth=1, causal=causal)
        predict = nn.Linear(self.dim, self.ahead * self.dim)
        return [encoder, context, predict, nn.Linear(width, self.dim)]

    def build(self, *modules):
        self.encoder, self.context, self.predict, self.project = modules
        return modules

    def loss(self, step, view):
        room = view.shape[2] - self.side
        starts = [place * room // (self.grid - 1) for place in range(self.grid)]
        cut = [view[:, :, y : y + self.side, x : x + self.side] for y in starts for x in starts]
        features = self.encoder(torch.cat(cut)).unflatten(0, (self.grid**2, len(view)))
        shape = (self.grid, self.grid)
        c = self.context(features.transpose(0, 1)).transpose(0, 1).unflatten(0, shape)
        z = F.normalize(self.project(features), dim=2).unflatten(0, shape)
        told = self.predict(c).unflatten(3, (self.ahead, self.dim))
        told = F.normalize(told, dim=4) / self.temperature
        rows, losses = self.grid - self.ahead, []
        for ahead in range(1, self.ahead + 1):
            taken = self.ahead - ahead if self.mistake == "rows ahead exchanged" else ahead - 1
            p, target = told[:rows, :, :, taken], z[ahead : ahead + rows]
            if self.mistake == "negatives of the same row":
                p, target = p.flatten(1, 2), target.flatten(1, 2)
            else:
                p, target = p.flatten(0, 2).unsqueeze(0), target.flatten(0, 2).unsqueeze(0)
            own = torch.arange(p.shape[1]).expand(len(p), -1)
            losses.append(F.cross_entropy((p @ target.mT).flatten(0, 1), own.flatten()))
        return sum(losses) / len(losses)


def pieces(view, grid):
    """Row after row, the first of all images, then the second."""
    side = view.shape[2] // grid
    starts = [place * side for place in range(grid)]
    return torch.cat([view[:, :, y : y + side, x : x + side] for y in starts for x in starts])


def orders(pieces, count):
    """Permutations at equal distances among all in lexicographic order."""
    every = list(itertools.permutations(range(pieces)))
    return torch.tensor([every[place * len(every) // count] for place in range(count)])


class Jigsaw(Method):
    """Noroozi and Favaro 2016, arXiv:1603.09246, section 4.

    The pieces pass the network up to a layer of their own, fc6 with its rectifier, and what it
    makes of them is laid beside each other in the order of a permutation, which fc7 and fc8 tell.
    The permutations lie at equal distances; the authors choose those that differ the most.
    """

    sizes = [8]
    grid, permutations, dim, hidden = 2, 10, 16, 32
    mistakes = ["no rectifier behind the layer of the pieces", "put back", "the first permutations"]

    def modules(self):
        encoder, width = convnet(4)
        classifier = mlp(self.grid**2 * self.dim, self.hidden, self.permutations)
        return [encoder, nn.Linear(width, self.dim), classifier]

    def build(self, *modules):
        self.network, self.classifier = nn.Sequential(*modules[:2]), modules[2]
        return [self.network, self.classifier]

    def order(self, step, view):
        """The class of each image, and at each place the piece that lies there."""
        chosen = draw_among(step, 0, len(view), self.permutations)
        of = 24 if self.mistake == "the first permutations" else self.permutations
        order = orders(self.grid**2, of)[chosen]
        return chosen, order.argsort(1) if self.mistake == "put back" else order

    def laid(self, each, order):
        """The pieces of each image beside each other: `[pieces, n, d]` to `[n, pieces * d]`."""
        return each[order.T, EVERY].transpose(0, 1).flatten(1)

    def loss(self, step, view):
        chosen, order = self.order(step, view)
        each = self.network(pieces(view, self.grid)).unflatten(0, (self.grid**2, len(view)))
        if self.mistake != "no rectifier behind the layer of the pieces":
            each = F.relu(each)
        return F.cross_entropy(self.classifier(self.laid(each, order)), chosen)


class Pirl(Jigsaw):
    """Misra and van der Maaten 2019, arXiv:1912.01991, eq. 5, and section 2.3 for the pieces.

    By the softmax over the memories of all images, which the authors' noise contrast approximates.
    """

    sizes = [8, 8]
    images, temperature, momentum, weight, dim = 640, 0.1, 0.5, 0.3, 8
    mistakes = ["pieces in their order", "weights exchanged", "a memory of the pieces"]

    def modules(self):
        encoder, width = convnet(4)
        piece, whole = nn.Linear(width, self.dim), nn.Linear(width, self.dim)
        return [encoder, piece, nn.Linear(self.grid**2 * self.dim, self.dim), whole]

    def build(self, *modules):
        self.encoder, self.piece, self.join, self.whole = modules
        self.memory = Memory(self.images, self.dim, self.momentum)
        return modules

    def told(self, z):
        return F.cross_entropy(z @ self.memory.rows.T / self.temperature, EVERY)

    def loss(self, step, a, b):
        z = F.normalize(self.whole(self.encoder(a)))
        cut = self.encoder(pieces(b, self.grid))
        each = self.piece(cut).unflatten(0, (self.grid**2, len(b)))
        _, order = self.order(step, b)
        if self.mistake == "pieces in their order":
            order = torch.arange(self.grid**2).expand_as(order)
        joined = F.normalize(self.join(self.laid(each, order)))
        weight = 1 - self.weight if self.mistake == "weights exchanged" else self.weight
        loss = weight * self.told(joined) + (1 - weight) * self.told(z)
        self.memory.move(joined if self.mistake == "a memory of the pieces" else z)
        return loss
