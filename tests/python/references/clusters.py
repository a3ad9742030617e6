"""Methods that give images to classes of their own making."""

import copy

import torch
import torch.nn.functional as F
from torch import nn

from .memory import Memory
from .method import BATCH, EPOCH, Method, convnet, cosine, follow, mlp, ramp


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


class DeepClusterV2(Method):
    """Caron et al. 2020, arXiv:2006.09882, the appendix on DeepCluster-v2, with multi-crop.

    The clusters begin at memories that are drawn by chance: here those that the other side draws.
    For the norms, each large view is a batch of its own, and the small ones are one.
    """

    sizes = [8, 8, 6, 6, 6, 6]
    images, temperature, hidden, dim, lr = 640, 0.1, 32, 8, 0.01
    begin = [240, 80, 436, 621, 517, 217, 66, 475, 193, 494, 464, 252]
    mistakes = [
        "one round",
        "clusters found in each step",
        "clusters found once",
        "clusters before the last step's memories",
        "memories of the other view",
        "clusters of what is seen now",
        "large views alone",
    ]

    def modules(self):
        encoder, width = convnet(4)
        return [encoder, mlp(width, self.hidden, self.dim, norm=True)]

    def build(self, *modules):
        self.network = nn.Sequential(*modules)
        self.memory = Memory(self.images, self.dim, 0.0)
        self.centres = self.memory.rows[self.begin]
        return [self.network]

    def ends_epoch(self, step):
        if self.mistake == "clusters found in each step":
            return True
        if self.mistake == "clusters found once":
            return step + 1 == EPOCH
        return (step + 1) % EPOCH == 0

    def find_clusters(self):
        rows = self.memory.rows
        centres = rows[self.begin]
        for _ in range(1 if self.mistake == "one round" else 10):
            nearest = (rows @ centres.T).argmax(1)
            sums = torch.zeros_like(centres).index_add(0, nearest, rows)
            empty = nearest.bincount(minlength=len(centres)) == 0
            centres = torch.where(empty[:, None], centres, F.normalize(sums))
        self.centres = centres

    def loss(self, step, *crops):
        z = [self.network(crops[0]), self.network(crops[1]), self.network(torch.cat(crops[2:]))]
        z = F.normalize(torch.cat(z))
        with torch.no_grad():
            seen_now = self.mistake == "clusters of what is seen now"
            known = z[:BATCH] if seen_now else self.memory.rows[:BATCH]
            own = (known @ self.centres.T).argmax(1)
        views = 2 if self.mistake == "large views alone" else len(crops)
        logits = z[: views * BATCH] @ self.centres.T / self.temperature
        loss = F.cross_entropy(logits, own.repeat(views))
        other = self.mistake == "memories of the other view"
        before = self.mistake == "clusters before the last step's memories"
        if before and self.ends_epoch(step):
            self.find_clusters()
        self.memory.move(z[BATCH : 2 * BATCH] if other else z[:BATCH])
        if not before and self.ends_epoch(step):
            self.find_clusters()
        # Nothing is learned while the memory is filled.
        return loss * (step >= EPOCH)


class Dino(Method):
    """Caron et al. 2021, arXiv:2104.14294, eq. 1 to 4 and algorithm 1, with multi-crop.

    The temperature of the teacher rises in a line, section 3.2. The rows of the last layer, which
    stays as it is at first, are moved back to length one, where the authors divide by their length.
    For the norms, each large view is a batch of its own, and the small ones are one.
    """

    sizes = [8, 8, 6, 6, 6, 6]
    count, momentum, student, centering, frozen = 12, 0.9, 0.1, 0.9, 5
    teacher, warmup = (0.04, 0.07), 10
    hidden, dim = 32, 8
    mistakes = [
        "classes that move at once",
        "rows of any length",
        "no centre",
        "the centre of this step",
        "targets of the view itself",
        "large views alone",
        "a temperature that stays",
        "rectifiers in the head",
    ]

    def modules(self):
        encoder, width = convnet(4)
        is_hard = self.mistake == "rectifiers in the head"
        activation = nn.ReLU if is_hard else nn.GELU
        projector = mlp(width, self.hidden, self.dim, layers=3, activation=activation)
        return [encoder, projector, nn.Linear(self.dim, self.count, bias=False)]

    def build(self, encoder, projector, last):
        self.network = nn.Sequential(encoder, projector)
        self.last = last
        self.normalize(last)
        self.average = copy.deepcopy(self.network)
        self.targets = copy.deepcopy(last)
        self.centre = torch.zeros(self.count)
        return [self.network, self.last]

    @torch.no_grad()
    def normalize(self, layer):
        layer.weight.copy_(F.normalize(layer.weight))

    def move_centre(self, scores):
        share = 0.0 if self.mistake == "no centre" else 1 - self.centering
        self.centre = (1 - share) * self.centre + share * torch.cat(scores).mean(0)

    def loss(self, step, *crops):
        with torch.no_grad():
            seen = [self.targets(F.normalize(self.average(crop))) for crop in crops[:2]]
            if self.mistake == "the centre of this step":
                self.move_centre(seen)
            stays = self.mistake == "a temperature that stays"
            temperature = ramp(*self.teacher, self.warmup, 0 if stays else step)
            assigned = [torch.softmax((own - self.centre) / temperature, 1) for own in seen]
            if self.mistake != "the centre of this step":
                self.move_centre(seen)
        z = [self.network(crops[0]), self.network(crops[1]), self.network(torch.cat(crops[2:]))]
        scores = (self.last(F.normalize(torch.cat(z))) / self.student).split(BATCH)
        views = range(2 if self.mistake == "large views alone" else len(crops))
        pairs = [(large, view) for large in [0, 1] for view in views]
        if self.mistake != "targets of the view itself":
            pairs = [(large, view) for large, view in pairs if view != large]
        return sum(F.cross_entropy(scores[v], assigned[l]) for l, v in pairs) / len(pairs)

    def before(self, step):
        if step < self.frozen and self.mistake != "classes that move at once":
            self.last.weight.grad = None

    def after(self, step):
        if self.mistake != "rows of any length":
            self.normalize(self.last)
        momentum = cosine(self.momentum, 1.0, step)
        follow(self.average, self.network, momentum)
        follow(self.targets, self.last, momentum)
        self.normalize(self.targets)
