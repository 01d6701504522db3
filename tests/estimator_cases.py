"""What tests of estimators share: fits of a moment, which may warn."""

import pytest

SHORT = {"max_iter": 3, "hidden_layer_sizes": (16,), "random_state": 0}

short_fits_may_warn = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
