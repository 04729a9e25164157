"""2-D projections of embeddings: rows as points in the space of any layer, coloured and with details."""
