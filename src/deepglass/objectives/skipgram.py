"""Skip-gram word vectors with negative sampling: each word predicts the words around it.

    maximise   log s(v_w . u_c) + sum over k noise words n of log s(-v_w . u_n)       s: sigmoid
    for each word w and each context c at most b words away, b uniform in 1..window

Frequent words are left out at random (subsampling). The pairs of a block of words and their gradients are matrix
products, as in HogBatch; its noise words are shared. The table is updated by row-wise Adagrad.

Source: Mikolov et al., 2013, arXiv 1310.4546; Ji et al., 2016, arXiv 1604.04661 (HogBatch).
"""

import torch
from torch import Tensor

from deepglass.nn.word_vectors import BLOCK, SHARED_NOISE, Blocks
from deepglass.objectives._word_vectors import BATCH, LEARNING_RATE, BlockLoader, Update, WordVectors

MIN_STEPS = 50  # an epoch, to start another network with vectors


class Skipgram(WordVectors):
    """Skip-gram with negative sampling; `v` are the word vectors.

    Args:
        dim: D, numbers of a vector.
        window: words on either side of a word that are its context, at most.
        negatives: noise words of a pair.
        subsample: a word with a larger share of the text is left out at random; 1: none is.
        word_pairs: a source of word pairs with scores of people; the Spearman correlation of the cosines with them is a
            metric, `spearman`.
    """

    def update(self, blocks: Blocks) -> Update:
        C = blocks.contexts.shape[1]
        others = torch.cat([blocks.contexts, blocks.noise], 1)
        v, u = self.words(blocks.centres), self.contexts(others)  # (N, L, D), (N, C + K, D)
        p = torch.bmm(v, u.mT).sigmoid_()  # (N, L, C + K)
        weight = blocks.near.sum(2, keepdim=True) * (self.negatives / SHARED_NOISE)
        loss, pairs = self.mean_loss(p[..., :C], p[..., C:], blocks.near, weight)
        error = p  # the gradient of the loss by v . u
        error[..., :C].sub_(1).mul_(blocks.near)
        error[..., C:].mul_(weight)
        return Update(loss, pairs, (blocks.centres, torch.bmm(error, u)), (others, torch.bmm(error.mT, v)))


def skipgram_vectors(codes: Tensor, size: int, dim: int, epochs: int, seed: int) -> Tensor:
    """Skip-gram vectors of the codes of a text, (V, dim), to start the embeddings of another network with.

    Args:
        codes: (n,), of the whole text.
        size: V, number of codes.
        seed: of the order of blocks.
    """
    model = Skipgram(dim=dim)
    model.make_tables(torch.bincount(codes.long(), minlength=size).double())
    model.to(codes.device)
    batch = max(min(BATCH, len(codes) // MIN_STEPS), BLOCK)
    loader = BlockLoader("", codes, model.keep_shares(), model.window, batch, seed)
    steps = epochs * loader.batches_per_epoch
    for step in range(steps):
        model.step(loader.next().inputs[""].values, LEARNING_RATE * (1 - step / steps))
    return model.words.weight.detach()
