"""Methods that give images to classes of their own making, and hide patches of them."""

import copy

import torch
import torch.nn.functional as F
from torch import nn

from .clusters import Dino
from .masked import PATCH, SIZE, WIDTH, Blank, Masked
from .method import BATCH, cosine, draw_order, follow, mlp
from .transformer import VisionTransformer


class Msn(Masked):
    """Assran et al. 2022, arXiv:2204.07141, eq. 1, and section 3 for what is masked.

    The rows of the prototypes are moved back to length one, where the authors divide by their
    length. For the norms, the masked view is a batch of its own, and the small ones are one.
    """

    sizes = [8, 8, 6, 6]
    count, seen, anchor, sharp, entropy, momentum = 12, 10, 0.2, 0.1, 1.0, 0.9
    hidden, dim, lr = 8, 8, 0.0002
    mistakes = [
        "targets as soft as the anchors",
        "no entropy",
        "the entropy of each view",
        "a first view that is whole",
        "the first view alone",
    ]

    def modules(self):
        encoder = VisionTransformer(PATCH, SIZE, self.depth)
        head = mlp(WIDTH, self.hidden, self.dim, layers=3, norm=True, activation=nn.GELU)
        return [encoder, head, nn.Linear(self.dim, self.count, bias=False)]

    def build(self, *modules):
        self.encoder, self.head, self.prototypes = modules
        self.normalize()
        self.teacher = copy.deepcopy(nn.ModuleList(modules[:2]))
        return modules

    @torch.no_grad()
    def normalize(self):
        self.prototypes.weight.copy_(F.normalize(self.prototypes.weight))

    def loss(self, step, a, b, *small):
        placed = self.encoder.embed(a) + self.encoder.places(a)
        if self.mistake != "a first view that is whole":
            seen = self.order(step, a) < self.seen
            placed = placed[seen].unflatten(0, (BATCH, self.seen))
        z = [self.head(self.encoder.tokens(placed)[:, 0])]
        if self.mistake != "the first view alone":
            z.append(self.head(self.encoder(torch.cat(small))[:, 0]))
        scores = self.prototypes(F.normalize(torch.cat(z))) / self.anchor
        with torch.no_grad():
            encoder, head = self.teacher
            targets = self.prototypes(F.normalize(head(encoder(b)[:, 0])))
            soft = self.mistake == "targets as soft as the anchors"
            targets = torch.softmax(targets / (self.anchor if soft else self.sharp), 1)
        shares = torch.softmax(scores, 1).unflatten(0, (-1, BATCH))
        used = shares.mean(1 if self.mistake == "the entropy of each view" else (0, 1))
        entropy = -torch.special.xlogy(used, used).sum(-1).mean()
        weight = 0.0 if self.mistake == "no entropy" else self.entropy
        return F.cross_entropy(scores, targets.repeat(len(shares), 1)) - weight * entropy

    def after(self, step):
        self.normalize()
        follow(self.teacher[0], self.encoder, cosine(self.momentum, 1.0, step))
        follow(self.teacher[1], self.head, cosine(self.momentum, 1.0, step))


class IBot(Dino):
    """Zhou et al. 2021, arXiv:2111.07832, eq. 1 to 3, and section 3 for the shared head.

    As `Dino`, with a transformer. Of each large view a fixed number of patches is hidden, where the
    authors draw how many, for every second image; the temperatures of patches are those of images.
    """

    seen, teacher, lr = 10, 0.04, 0.005
    mistakes = [
        "classes that move at once",
        "all patches",
        "patches less the centre of images",
        "patches of the other view",
        "images that are seen whole",
        "images alone",
        "large views alone",
    ]

    def modules(self):
        head = mlp(WIDTH, self.hidden, self.dim, layers=3, activation=nn.GELU)
        last = nn.Linear(self.dim, self.count, bias=False)
        return [VisionTransformer(PATCH, SIZE, depth=1), head, last, Blank()]

    def build(self, encoder, head, last, blank):
        self.blank, self.patches_centre = blank, torch.zeros(self.count)
        return [*super().build(encoder, head, last), blank]

    def shown(self, view, hidden):
        encoder = self.network[0]
        return encoder.tokens(self.blank(encoder.embed(view), hidden) + encoder.places(view))

    @torch.no_grad()
    def assigned(self, *large):
        """To which classes the average gives images and patches; then the centres move."""
        seen = [self.targets(F.normalize(self.average(view), dim=-1)) for view in large]
        of_images, of_patches = [own[:, 0] for own in seen], [own[:, 1:] for own in seen]
        centres = [self.centre, self.patches_centre]
        if self.mistake == "patches less the centre of images":
            centres[1] = self.centre
        pairs = zip([of_images, of_patches], centres)
        shares = [[torch.softmax((x - c) / self.teacher, -1) for x in own] for own, c in pairs]
        self.move_centre(of_images)
        moved = torch.cat(of_patches).mean((0, 1))
        self.patches_centre = self.centering * self.patches_centre + (1 - self.centering) * moved
        return shares

    def loss(self, step, *crops):
        images, patches = self.assigned(*crops[:2])
        # Both large views are one batch where it is drawn what is hidden.
        hidden = draw_order(step, 0, 2 * BATCH, (SIZE // PATCH) ** 2) >= self.seen
        head = self.network[1]

        def scores(x):
            return self.last(F.normalize(head(x), dim=-1)) / self.student

        tokens = [self.shown(*own) for own in zip(crops, hidden.split(BATCH))]
        large = tokens
        if self.mistake == "images that are seen whole":
            large = [self.network[0](view) for view in crops[:2]]
        of_images = [scores(own[:, 0]) for own in large]
        if self.mistake != "large views alone":
            of_images += [scores(self.network[0](view)[:, 0]) for view in crops[2:]]
        pairs = [(l, v) for l in [0, 1] for v in range(len(of_images)) if v != l]
        of_images = sum(F.cross_entropy(of_images[v], images[l]) for l, v in pairs) / len(pairs)
        if self.mistake == "images alone":
            return of_images
        if self.mistake == "patches of the other view":
            patches = patches[::-1]
        told = scores(torch.cat(tokens)[:, 1:]).log_softmax(2)
        each = -(torch.cat(patches) * told).sum(2)
        return of_images + (each if self.mistake == "all patches" else each[hidden]).mean()
