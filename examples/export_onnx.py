"""
A fitted estimator in ONNX Runtime
==================================

Training needs PyTorch; serving does not have to. Encoder and decoder are written to files that ONNX
Runtime runs, in Python, C++, Java or a browser. On the handwritten digits of scikit-learn; seconds
on two cores (``pip install -e ".[onnx]" onnxruntime``).
"""

# %%
# Fit and write
# -------------
# The units of the columns and of the prior go into the files.

import json
from pathlib import Path

import numpy as np
import onnxruntime
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skaae import ConditionalAdversarialAutoencoder
from skaae.export import to_onnx

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=0)
aae = ConditionalAdversarialAutoencoder(8, max_iter=30, random_state=0).fit(X_train, y_train)

for part in ("encoder", "decoder"):
    path = Path(f"digits_{part}.onnx")
    to_onnx(aae, path, part)
    print(f"{part}: {path.resolve()}, {path.stat().st_size / 1024:.0f} KiB")

# %%
# Serve
# -----
# Nothing below needs skaae: rows of test digits to codes, and the codes to the digit that follows,
# in the style of the first.

encoder, decoder = (
    onnxruntime.InferenceSession(f"digits_{part}.onnx", providers=["CPUExecutionProvider"])
    for part in ("encoder", "decoder")
)
classes = json.loads(decoder.get_modelmeta().custom_metadata_map["classes"])
rows = X_test.astype(np.float32)
following = (y_test + 1) % 10
(codes,) = encoder.run(None, {"rows": rows})
labels = np.array([classes.index(label) for label in following])
(answered,) = decoder.run(None, {"codes": codes, "labels": labels})

# %%
# The same as the estimator
# -------------------------

np.testing.assert_allclose(codes, aae.transform(rows), atol=1e-5)
np.testing.assert_allclose(answered, aae.inverse_transform(codes, following), atol=1e-4)
print(f"{len(rows)} rows agree with the estimator")
