"""Transformers over the tokens of an example, with timm's names."""

import torch
import torch.nn.functional as F
from torch import nn

HEAD = 64


class Attention(nn.Module):
    """Vaswani et al. 2017, arXiv:1706.03762, section 3.2."""

    def __init__(self, heads, causal):
        super().__init__()
        self.heads, self.causal = heads, causal
        self.qkv = nn.Linear(heads * HEAD, 3 * heads * HEAD)
        self.proj = nn.Linear(heads * HEAD, heads * HEAD)

    def forward(self, x):
        q, k, v = self.qkv(x).unflatten(2, (3, self.heads, HEAD)).permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        return self.proj(seen.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Dosovitskiy et al. 2020, arXiv:2010.11929, eq. 2 and 3."""

    def __init__(self, heads, causal):
        super().__init__()
        width = heads * HEAD
        self.norm1, self.norm2 = [nn.LayerNorm(width, eps=1e-6) for _ in range(2)]
        self.attn = Attention(heads, causal)
        self.mlp = nn.Sequential()
        self.mlp.add_module("fc1", nn.Linear(width, 4 * width))
        self.mlp.add_module("act", nn.GELU())
        self.mlp.add_module("fc2", nn.Linear(4 * width, width))

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


def transformer(before, out, heads, depth, causal=False):
    """Linear layers before and behind the blocks; tokens without places."""
    network = nn.Sequential()
    network.add_module("embed", nn.Linear(before, heads * HEAD))
    network.add_module("blocks", nn.Sequential(*[Block(heads, causal) for _ in range(depth)]))
    network.add_module("norm", nn.LayerNorm(heads * HEAD, eps=1e-6))
    network.add_module("out", nn.Linear(heads * HEAD, out))
    return network


class VisionTransformer(nn.Module):
    """Dosovitskiy et al. 2020, arXiv:2010.11929, eq. 1 to 4: three heads, and a token of the class.

    Views of another size have places between those that are learned, as timm interpolates them. The
    tokens are normalised, but where it is their mean that is.
    """

    def __init__(self, patch, size, depth, heads=3, pool="class"):
        super().__init__()
        width, self.patch, self.grid = heads * HEAD, patch, size // patch
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + self.grid**2, width))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, width, patch, patch)})
        self.blocks = nn.ModuleList([Block(heads, causal=False) for _ in range(depth)])
        self.norm = nn.LayerNorm(width, eps=1e-6) if pool == "class" else nn.Identity()

    def embed(self, view):
        return self.patch_embed["proj"](view).flatten(2).mT

    def places(self, view):
        own, grid = self.pos_embed[:, 1:], view.shape[2] // self.patch
        if grid == self.grid:
            return own
        maps = own.mT.unflatten(2, (self.grid, self.grid))
        maps = F.interpolate(maps, (grid, grid), mode="bicubic", antialias=True)
        return maps.flatten(2).mT

    def each_block(self, placed):
        """What each block makes of the class and the patches."""
        first = (self.cls_token + self.pos_embed[:, :1]).expand(len(placed), -1, -1)
        all_blocks = [torch.cat([first, placed], 1)]
        for block in self.blocks:
            all_blocks.append(block(all_blocks[-1]))
        return all_blocks[1:]

    def tokens(self, placed):
        return self.norm(self.each_block(placed)[-1])

    def forward(self, view):
        return self.tokens(self.embed(view) + self.places(view))
