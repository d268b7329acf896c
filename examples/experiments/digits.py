"""Who reads handwritten digits better, a support vector machine or a random forest?

$ python examples/experiments/digits.py
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_score
from sklearn.svm import SVC

from superparams import Experiment, Params, search, value


@dataclass(frozen=True)
class Images:
    """Pictures of digits, flattened, and the digit on each of them."""

    pixels: NDArray[np.float64]  # one row a picture, one column for each of its 8 x 8 pixels
    labels: NDArray[np.int64]


def load_images() -> Images:
    """The 1,797 pictures that scikit-learn carries with it."""
    return Images(*load_digits(return_X_y=True))


class SVM(Params):
    C: float = search([0.1, 1.0, 10.0, 100.0])
    gamma: float = search([0.0003, 0.001, 0.003])

    def make(self) -> Any:
        return SVC(C=self.C, gamma=self.gamma)


class Forest(Params):
    trees: int = search([50, 100, 200])
    features: float = search([0.1, 0.2, 0.4])
    depth: int | None = search([8, None])

    def make(self) -> Any:
        return RandomForestClassifier(
            self.trees, max_features=self.features, max_depth=self.depth, random_state=0
        )


class Digits(Experiment):
    model: SVM | Forest = search([SVM(), Forest()])
    folds: int = 5
    images: Images = value(factory=load_images)

    def run(self) -> dict[str, float]:
        scores = cross_val_score(
            self.model.make(), self.images.pixels, self.images.labels, cv=self.folds
        )
        return {"accuracy": scores.mean(), "spread": scores.std()}


def main(space: Digits) -> None:
    """Run all settings of the space on two workers, and tell the best ones."""
    results = space.run_all(num_proc=2)
    for model in (SVM(), Forest()):
        name = type(model).__name__
        best = results.where(model=name).best("accuracy")
        found = ", ".join(f"{field}={best[f'model.{field}']}" for field, _ in model.items())
        print(f"{name}: {best['accuracy']:.1%} of the digits with {found}")
    print(f"All {len(results)} settings: {results.path}")


if __name__ == "__main__":
    main(Digits())
