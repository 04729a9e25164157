"""Scikit-learn estimators, for pipelines, grid searches and cross-validation.

    from deepglass import DeepglassClassifier
    cross_val_score(DeepglassClassifier(epochs=30), X, y)
    GridSearchCV(DeepglassClassifier(), {"depth": [2, 3], "learning_rate": [1e-3, 4e-3]}).fit(X, y)

`X` is an array, or a pandas or polars frame. Numeric columns have the kind number, categorical columns of a frame the
kind category; the kinds of others (text, dates, booleans, lists of numbers) are inferred. Missing values are allowed.
A fitted estimator holds its run as bytes; `save` writes it as a run folder. Not supported: sparse matrices,
multi-output classification, `partial_fit`.
"""

from deepglass.sklearn.classifier import DeepglassClassifier
from deepglass.sklearn.regressor import DeepglassRegressor

__all__ = ["DeepglassClassifier", "DeepglassRegressor"]
