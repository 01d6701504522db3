"""
Save here, serve elsewhere
==========================

A fitted estimator is written as two files without code, read by another process, and answers there
what it answered here, to the last bit. On the handwritten digits of scikit-learn; seconds on one
core. Where nothing but ONNX Runtime is installed, see ``examples/export_onnx.py`` instead.
"""

# %%
# Fit and save
# ------------
# A name that ends in ``.zip`` is one file, any other a folder.

import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

import skaae

X, _ = load_digits(return_X_y=True)
X_train, X_test = train_test_split(X, test_size=0.25, random_state=0)
aae = skaae.AdversarialAutoencoder(
    8, hidden_layer_sizes=(64,), max_iter=10, random_state=0, device="cpu"
)
with warnings.catch_warnings():
    # Short fits may miss the prior, of which they warn.
    warnings.simplefilter("ignore", ConvergenceWarning)
    aae.fit(X_train)

folder = tempfile.TemporaryDirectory()
model = Path(folder.name) / "digits"
aae.save(model)
for path in sorted(model.iterdir()):
    print(f"{path.name}: {path.stat().st_size / 1024:.0f} KiB")
about = json.loads((model / "model.json").read_text())
assert about["estimator"] == "AdversarialAutoencoder"

# %%
# Serve
# -----
# The server loads once and answers until its input ends: a line of JSON for each line of JSON. It
# runs nothing that is in the files.

SERVER = """
import json, sys
import numpy as np, skaae

aae = skaae.load(sys.argv[1], device="cpu")
for line in sys.stdin:
    codes = aae.transform(np.array(json.loads(line)))
    answer = {"codes": codes.tolist(), "rows": aae.inverse_transform(codes).tolist()}
    print(json.dumps(answer), flush=True)
"""
requests = np.array_split(X_test, 3)
served = subprocess.run(
    [sys.executable, "-c", SERVER, str(model)],
    input="".join(json.dumps(rows.tolist()) + "\n" for rows in requests),
    capture_output=True,
    text=True,
    check=True,
)
answers = [json.loads(line) for line in served.stdout.splitlines()]
assert len(answers) == len(requests)
for rows, answer in zip(requests, answers):
    codes = aae.transform(rows)
    np.testing.assert_array_equal(answer["codes"], codes)
    np.testing.assert_array_equal(answer["rows"], aae.inverse_transform(codes))
print(f"{len(answers)} requests, {len(X_test)} rows: equal to the last bit")

# %%
# The Hugging Face Hub
# --------------------
# ``from_pretrained`` takes a folder that is here as it takes a repository there, to which
# ``skaae.hub.push_to_hub(aae, "user/digits")`` writes the same two files and a card. What comes
# back samples alike too, and goes on learning.

again = skaae.from_pretrained(model, device="cpu")
np.testing.assert_array_equal(again.sample(5, random_state=0), aae.sample(5, random_state=0))
again.partial_fit(X_train)
assert again.n_samples_seen_ == aae.n_samples_seen_ + len(X_train)
print(f"loaded again: {again.n_samples_seen_} rows seen after one more pass")

# %%
# What was changed on the way is refused
# --------------------------------------

weights = model / "weights.safetensors"
weights.write_bytes(weights.read_bytes()[:-8])
try:
    skaae.load(model)
except ValueError as error:
    print(f"refused: {str(error).removeprefix(str(model)).lstrip(': ')}")
else:
    raise AssertionError("a file that is cut short was loaded")
folder.cleanup()
