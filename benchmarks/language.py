"""Character language model compared with a plain PyTorch loop: bits per character after the same training time.

    python benchmarks/language.py --seconds 84      # both, one after the other

The plain loop follows the small CPU setting of nanoGPT (4 layers, 4 heads, 128 wide, 64 characters, batches
of 12, AdamW at 1e-3 with a cosine): https://github.com/karpathy/nanoGPT, "i only have a macbook".
"""

from __future__ import annotations

import argparse
import json
import math
import time

import torch
from fresh import DATA, train
from torch import Tensor, nn
from torch.nn import functional as F

CONTEXT, BATCH, WIDTH, HEADS, LAYERS = 64, 12, 128, 4, 4


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.mlp = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (part.unflatten(-1, (HEADS, -1)).transpose(1, 2) for part in self.qkv(self.first(x)).chunk(3, -1))
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)
        x = x + self.out(attended)
        return x + self.mlp(self.second(x))


class Gpt(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.token, self.position = nn.Embedding(size, WIDTH), nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.Sequential(*(Block() for _ in range(LAYERS)))
        self.head = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, size))

    def forward(self, codes: Tensor) -> Tensor:
        return self.head(self.blocks(self.token(codes) + self.position.weight[: codes.shape[1]]))


def plain(seconds: float) -> dict[str, float]:
    """Train the plain loop for this time."""
    with open(f"{DATA}/tiny_shakespeare/input.txt") as file:
        text = file.read()
    letters = sorted(set(text))
    codes = torch.tensor([letters.index(c) for c in text])
    cut = int(0.9 * len(codes))
    torch.manual_seed(0)
    model = Gpt(len(letters))
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3, betas=(0.9, 0.99), weight_decay=0.1)
    start, steps = time.perf_counter(), 0
    while (passed := time.perf_counter() - start) < seconds:
        rate = 1e-4 + 0.9e-3 * 0.5 * (1 + math.cos(math.pi * passed / seconds))
        for group in optimizer.param_groups:
            group["lr"] = rate
        places = torch.randint(cut - CONTEXT - 1, (BATCH, 1)) + torch.arange(CONTEXT)
        loss = F.cross_entropy(model(codes[places]).flatten(0, 1), codes[places + 1].flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        steps += 1
    model.eval()
    rest, total, count = codes[cut:], 0.0, 0
    with torch.no_grad():  # each character has at least half a context
        for begin in range(0, len(rest) - CONTEXT - 1, CONTEXT // 2):
            window = rest[begin : begin + CONTEXT + 1]
            losses = F.cross_entropy(model(window[None, :-1])[0], window[1:], reduction="none")
            new = losses if begin == 0 else losses[CONTEXT // 2 :]
            total, count = total + float(new.sum()), count + len(new)
    return {"bits_per_character": total / count / math.log(2), "steps": steps, "seconds": passed}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=84)
    seconds = parser.parse_args().seconds
    results = {"plain loop": plain(seconds)}
    ours = train(f"recipe:language-characters --time {seconds:.0f}s", 0)
    results["deepglass"] = {**ours["test"]["next_token"], "steps": ours["step"], "seconds": ours["seconds"]["train"]}
    for name, figures in results.items():
        print(f"{name:<12}{figures['bits_per_character']:.3f} bits per character after {figures['seconds']:.0f} s")
    print(json.dumps(results))
