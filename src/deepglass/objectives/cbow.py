"""Continuous bag of words (CBOW) with negative sampling: the mean of the words around a word predicts it.

    h = mean of v_c over the contexts c of w
    maximise   log s(h . u_w) + sum over k noise words n of log s(-h . u_n)            s: sigmoid

Windows, subsampling, blocks and updates as in `skipgram`.

Source: Mikolov et al., 2013, arXiv 1301.3781 (CBOW), 1310.4546 (negative sampling).
"""

import torch

from deepglass.nn.word_vectors import SHARED_NOISE, Blocks
from deepglass.objectives._word_vectors import Update, WordVectors


class Cbow(WordVectors):
    """CBOW with negative sampling; `v` are the word vectors.

    Args:
        dim: D, numbers of a vector.
        window: words on either side of a word that are its context, at most.
        negatives: noise words of a word.
        subsample: a word with a larger share of the text is left out at random; 1: none is.
        word_pairs: a source of word pairs with scores of people; the Spearman correlation of the cosines with them is a
            metric, `spearman`.
    """

    def update(self, blocks: Blocks) -> Update:
        count = blocks.near.sum(2, keepdim=True)  # (N, L, 1)
        mean = blocks.near / count.clamp_min(1)
        has_context = (count > 0).float()
        v, u, noise = self.words(blocks.contexts), self.contexts(blocks.centres), self.contexts(blocks.noise)
        h = torch.bmm(mean, v)  # (N, L, D)
        positive = (h * u).sum(2, keepdim=True).sigmoid()
        negative = torch.bmm(h, noise.mT).sigmoid_()  # (N, L, K)
        weight = has_context * (self.negatives / SHARED_NOISE)
        loss, pairs = self.mean_loss(positive, negative, has_context, weight)
        positive_error, negative_error = (positive - 1) * has_context, negative * weight
        dh = positive_error * u + torch.bmm(negative_error, noise)
        codes = torch.cat([blocks.centres, blocks.noise], 1)
        du = torch.cat([positive_error * h, torch.bmm(negative_error.mT, h)], 1)
        return Update(loss, pairs, (blocks.contexts, torch.bmm(mean.mT, dh)), (codes, du))
