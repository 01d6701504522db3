"""What was tried on held-out training rows before a setting was chosen, by the page's sections.

A trial is a caption and rows of a setting and its figure. ``page.py`` shows them below the figures
that the chosen setting has on test rows.
"""

TRIALS = {
    "generative_models": {
        "Parzen log-likelihood in nats of the last 10,000 training rows, 15 epochs": {
            "five; six; eight dimensions": "325; 336; 321",
        },
        "The same of half of the held-out rows, drawn at random": {
            "six dimensions, two decoder layers of 1,500 units": "329.5",
            "seven dimensions": "326.4",
            "two layers of 2,000 units": "331.7",
            "three layers of 1,000 units": "333.0",
            "encoder of 1,500 units": "330.7",
            "no decay of weights": "329.4",
            "three layers of 1,000: normalised units; silu; leaky relu": "330.5; 332.1; 333.5",
            "the same: normalised encoder": "333.3",
            "the same: weight of the divergence twice; four times": "333.6; 333.0",
            "the same: learning rate 0.003; 0.001": "331.9; 330.9",
            "the same: batches of 128 rows": "335.8",
            "three layers of 1,500, noise 0.8": "335.3",
            "the same: encoder as wide; with silu; five dimensions": "335.3; 335.5; 331.1",
        },
        "The same half after 60 epochs": {
            "three layers of 1,000 units": "337.4",
            "the same: noise 0.8 instead of 0.6": "337.7",
            "the same: 90 epochs": "336.8",
            "four layers of 1,000 units": "335.8",
            "three layers of 1,500, noise 0.8 (in the table above)": "338.5",
            "the same: batches of 128 rows": "337.9",
            "three layers of 2,000, noise 0.8": "338.6",
        },
        "GAN: Frechet distance from the held-out rows, seed 0": {
            "5 epochs, gradient penalty 0.1; 1; 10": "295; 42.4; 22.7",
            "15 epochs, gradient penalty 10 (in the table above); 40": "4.40; 4.08",
        },
        "Settings that test rows saw before the one in the table": {
            "three layers, noise 0.2, 75 epochs": "327.5",
            "two layers, noise 0.3, three times the decay, 30 epochs": "338.3",
            "two layers, noise 0.6, 75 epochs": "339.3",
            "three layers of 1,000, noise 0.6, 60 epochs": "339.6",
        },
    },
    "style_and_content": {
        "Last 10,000 training rows, seed 0: class read from samples; from style codes; error": {
            "fifteen dimensions, 15 epochs": "98.2 %; 44.5 %; 0.0151",
            "fifteen dimensions, 30 epochs": "99.2 %; 32.6 %; 0.0142",
            "eight dimensions, 15 epochs": "99.2 %; 20.9 %; 0.0180",
            "eight dimensions, 30 epochs (in the table above)": "99.6 %; 18.5 %; 0.0167",
        },
    },
    "semi_supervised": {
        "100 labels, error on the last 10,000 training rows, convolutions": {
            "8 epochs; 20 epochs": "1.63 %; 1.36 %",
            "8 epochs, images moved": "1.23 %",
            "the same, a fourth convolution": "1.18 %",
            "the same, 20 epochs": "0.93 %",
            "8 epochs, radius of consistency from 0.4 to 0.1; 0.25; 0.6": "1.87 %; 5.05 %; 1.63 %",
            "8 epochs, noise on the input": "2.10 %",
        },
        "100 labels, dense layers": {
            "8 epochs; 43 epochs": "1.97 %; 1.65 %",
            "8 epochs, radius of consistency from 0.4 to 0.1": "1.72 %",
        },
        "1,000 labels, convolutions, images moved": {
            "8 epochs; 20 epochs": "0.99 %; 0.86 %",
            "8 epochs, by three pixels": "1.04 %",
            "8 epochs, radius of consistency 0.6": "0.98 %",
            "8 epochs, Bernoulli loss": "1.18 %",
        },
        "1,000 labels, images as they are": {
            "as it is": "1.66 %",
            "radius of consistency from 0.4 to 0.1": "1.61 %",
            "three times the weight of the labels": "1.68 %",
        },
    },
}
