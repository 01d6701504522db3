"""Other packages' reducers, with ``fit`` and ``transform``."""

import numpy as np


class TSNE:
    """openTSNE, whose fit answers the map."""

    def __init__(self, n_components=2, random_state=0):
        self.n_components, self.random_state = n_components, random_state

    def fit(self, X, y=None):
        import openTSNE

        method = openTSNE.TSNE(self.n_components, n_jobs=-1, random_state=self.random_state)
        self.rows, self.embedding = X, method.fit(X)
        return self

    def transform(self, X):
        return np.asarray(self.embedding if X is self.rows else self.embedding.transform(X))


class PaCMAP(TSNE):
    """PaCMAP, which wants the rows it was fitted to where it maps new ones."""

    def fit(self, X, y=None):
        import pacmap

        self.rows = X
        self.reducer = pacmap.PaCMAP(self.n_components, random_state=self.random_state)
        self.embedding = self.reducer.fit_transform(X)
        return self

    def transform(self, X):
        if X is self.rows:
            return self.embedding
        return self.reducer.transform(X, basis=self.rows)


def umap(n_components=2, random_state=0):
    from umap import UMAP

    # Its seed would leave it one thread.
    return UMAP(n_components=n_components, n_jobs=-1)
