"""Methods that predict one view from another, without negatives."""

import copy

import torch
import torch.nn.functional as F
from torch import nn

from .method import BATCH, Method, Queue, convnet, cosine, draw, follow, mlp, single


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

    @torch.no_grad()
    def targets(self, a, b):
        return [self.target(b), self.target(a)]

    def loss(self, step, a, b):
        targets = self.targets(a, b)
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
        follow(self.target, self.online, cosine(self.momentum, 1.0, step))


class NnByol(Byol):
    """BYOL that predicts the neighbours of Dwibedi et al. 2021, arXiv:2104.14548, section 3.2.

    Neighbours of what the target makes of the other view, among what it made of earlier first
    views, as in solo-learn.
    """

    queue = 64
    mistakes = ["the target itself", "the batch among its neighbours"]

    def build(self, *modules):
        self.earlier = Queue(self.queue, self.dim)
        return super().build(*modules)

    @torch.no_grad()
    def targets(self, a, b):
        targets = [F.normalize(target) for target in super().targets(a, b)]
        rows = self.earlier.rows
        self.earlier.push(targets[1])
        if self.mistake == "the target itself":
            return targets
        if self.mistake == "the batch among its neighbours":
            rows = self.earlier.rows
        return [rows[(target @ rows.T).argmax(1)] for target in targets]


class SimSiam(Method):
    """Chen and He 2020, arXiv:2011.10566, algorithm 1, and section 3 for the heads.

    As in the authors' code, no layer has a bias whose output a norm centres.
    """

    dim, bottleneck, lr = 32, 8, 0.01
    mistakes = ["a target that learns", "no predictor"]

    def modules(self):
        encoder, width = convnet(4)
        norms = {"norm": True, "output_norm": "plain", "bias": False}
        projector = mlp(width, self.dim, self.dim, layers=3, **norms)
        predictor = mlp(self.dim, self.bottleneck, self.dim, norm=True)
        predictor[0] = nn.Linear(self.dim, self.bottleneck, bias=False)
        return [encoder, projector, predictor]

    def build(self, encoder, projector, predictor):
        self.network = nn.Sequential(encoder, projector)
        self.predictor = predictor
        return [self.network, self.predictor]

    def targets(self, z):
        return [z[1], z[0]]

    def loss(self, step, *views):
        z = [self.network(view) for view in views]
        p = z if self.mistake == "no predictor" else [self.predictor(own) for own in z]
        targets = self.targets(z)
        if self.mistake != "a target that learns":
            targets = [target.detach() for target in targets]
        each = [-F.cosine_similarity(own, target).mean() for own, target in zip(p, targets)]
        return sum(each) / len(each)


class FastSiam(SimSiam):
    """Pototzky et al. 2022, GCPR, section 3: the mean of the other three of four views."""

    sizes = [8, 8, 8, 8]
    mistakes = ["the mean of all four", "the mean of their directions"]

    def targets(self, z):
        if self.mistake == "the mean of their directions":
            z = [F.normalize(own) for own in z]
        z = torch.stack(z)
        if self.mistake == "the mean of all four":
            return [z.mean(0)] * len(z)
        return [torch.cat([z[:own], z[own + 1 :]]).mean(0) for own in range(len(z))]


class NnSiam(SimSiam):
    """SimSiam with the neighbours of Dwibedi et al. 2021, arXiv:2104.14548, section 3.2.

    Neighbours of what the network makes of the other view, among what it made of earlier first
    views, as in solo-learn.
    """

    queue, lr = 64, 0.005
    mistakes = ["the other view itself", "the batch among its neighbours"]

    def build(self, *modules):
        self.earlier = Queue(self.queue, self.dim)
        return super().build(*modules)

    def targets(self, z):
        z = [F.normalize(own) for own in z]
        rows = self.earlier.rows
        self.earlier.push(z[0])
        if self.mistake == "the other view itself":
            return [z[1], z[0]]
        if self.mistake == "the batch among its neighbours":
            rows = self.earlier.rows
        near = [rows[(own @ rows.T).argmax(1)] for own in z]
        return [near[1], near[0]]


class ReSsl(Method):
    """Zheng et al. 2021, arXiv:2107.09282, eq. 5, with a fixed momentum.

    The first view is the strongly changed one. The target moves before the step, which is behind
    the optimizer's last one.
    """

    queue, momentum, student, teacher, hidden, dim = 64, 0.9, 0.1, 0.04, 32, 8
    lr = 0.01
    mistakes = ["one temperature", "the relations of the target's own batch", "views exchanged"]

    def modules(self):
        encoder, width = convnet(4)
        return [encoder, mlp(width, self.hidden, self.dim)]

    def build(self, *modules):
        self.network = nn.Sequential(*modules)
        self.target = copy.deepcopy(self.network)
        self.earlier = Queue(self.queue, self.dim)
        return [self.network]

    def loss(self, step, strong, weak):
        if self.mistake == "views exchanged":
            strong, weak = weak, strong
        z = F.normalize(self.network(strong))
        with torch.no_grad():
            follow(self.target, self.network, self.momentum)
            t = F.normalize(self.target(weak))
        rows = self.earlier.rows
        self.earlier.push(t)
        if self.mistake == "the relations of the target's own batch":
            rows = self.earlier.rows
        teacher = self.student if self.mistake == "one temperature" else self.teacher
        relations = torch.softmax(t @ rows.T / teacher, 1)
        return F.cross_entropy(z @ rows.T / self.student, relations)


class LeJepa(Method):
    """Balestriero and LeCun 2025, arXiv:2511.08544, algorithms 1 and 2.

    With the 17 knots between 0 and 3 of the authors' code, and for all views the same directions.
    For the norms, the large views are one batch, and the small ones another.
    """

    sizes = [8, 8, 6, 6, 6, 6]
    weight, directions, knots, reach, hidden, dim, lr = 0.05, 16, 17, 3.0, 32, 8, 0.01
    mistakes = [
        "the mean of all views",
        "a mean that is a constant",
        "all views one sample",
        "knots of one side",
        "no window",
        "not by the number of images",
    ]

    def modules(self):
        encoder, width = convnet(4)
        return [encoder, mlp(width, self.hidden, self.dim, layers=3, norm=True)]

    def build(self, *modules):
        self.network = nn.Sequential(*modules)
        return [self.network]

    def gaussian(self, x):
        """The test of Epps and Pulley of each column, by the trapezoidal rule."""
        begin = 0.0 if self.mistake == "knots of one side" else -self.reach
        t = torch.linspace(begin, self.reach, 2 * self.knots - 1)
        normal = torch.exp(-t.square() / 2)
        empirical = torch.exp(1j * x.unsqueeze(2) * t).mean(0)
        window = 1.0 if self.mistake == "no window" else normal
        tests = torch.trapezoid((empirical - normal).abs().square() * window, t)
        return tests * (1 if self.mistake == "not by the number of images" else len(x))

    def loss(self, step, *views):
        z = torch.cat([self.network(torch.cat(views[:2])), self.network(torch.cat(views[2:]))])
        z = z.unflatten(0, (len(views), BATCH))
        centre = z.mean(0) if self.mistake == "the mean of all views" else z[:2].mean(0)
        if self.mistake == "a mean that is a constant":
            centre = centre.detach()
        drawn = single(F.normalize(draw(step, 0, self.directions, self.dim)))
        samples = z.flatten(0, 1).unsqueeze(0) if self.mistake == "all views one sample" else z
        tests = torch.stack([self.gaussian(sample @ drawn.T) for sample in samples])
        return (1 - self.weight) * (z - centre).square().mean() + self.weight * tests.mean()
