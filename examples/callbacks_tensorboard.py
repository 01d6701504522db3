"""
Losses in TensorBoard
=====================

A callback of scikit-learn (1.9 or newer) that writes what ``fit`` records of each epoch where
TensorBoard reads it: ``tensorboard --logdir runs``. Without the package ``tensorboard`` the numbers
are kept in memory only, and the script says so.
"""

import sys
import tempfile

from sklearn.datasets import load_wine

from skaae import AdversarialAutoencoder


class Losses:
    """Keep losses and prior match of each epoch, and write them for TensorBoard.

    Parameters
    ----------
    writer : torch.utils.tensorboard.SummaryWriter or None
    """

    def __init__(self, writer=None):
        self.writer = writer
        self.values = {}

    def setup(self, estimator, context):
        self.values = {}

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        if context.task_name != "epoch":
            return
        entry = fitted_estimator.history_[-1]
        epoch = entry["epoch"]
        shown = {name: value for name, value in entry.items() if name != "epoch"}
        shown["prior_match"] = fitted_estimator.prior_match_.distance
        for name, value in shown.items():
            self.values.setdefault(name, []).append(value)
            if self.writer is not None:
                self.writer.add_scalar(name, value, epoch)

    def teardown(self, estimator, context):
        if self.writer is not None:
            self.writer.flush()


def open_writer(folder):
    """Return a writer into `folder`, or None where TensorBoard is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        print("tensorboard is not installed (pip install tensorboard): losses stay in memory")
        return None
    return SummaryWriter(folder)


X, _ = load_wine(return_X_y=True)
aae = AdversarialAutoencoder(2, hidden_layer_sizes=(64,), max_iter=20, random_state=0)
if not hasattr(aae, "set_callbacks"):
    sys.exit("callbacks need scikit-learn 1.9 or newer")

losses = Losses(open_writer(tempfile.mkdtemp(prefix="runs-")))
aae.set_callbacks(losses).fit(X)

assert losses.values["reconstruction"] == [entry["reconstruction"] for entry in aae.history_]
assert losses.values["prior_match"][-1] == aae.prior_match_.distance
assert losses.values["reconstruction"][-1] < losses.values["reconstruction"][0]
print(f"{len(aae.history_)} epochs, reconstruction {losses.values['reconstruction'][-1]:.3f}")
