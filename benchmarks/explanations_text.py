"""The text of docs/explanations.md, into which explanations.py puts its results."""

TEXT = """# Explanations and their faithfulness

`deepglass explain RUN SOURCE` gives the attribution of each column, word, region or time step to a prediction: in
log-odds of a class, of an object or of a mask's class, in the unit of a number, in the log-probability of a word. An
explanation that looks right may say nothing about the network (Adebayo et al., 2018), so each full one is tested:

- **Completeness** (Sundararajan et al., 2017): the attributions add up to the row's score less the baseline's.
  `completeness_gap` is the rest, as a share of that difference; the number of steps is doubled until it is below 0.02
  or there are 512 steps (camvid: 32).
- **Weight randomization** (after Adebayo et al., 2018): the rank correlation with the explanation of the same network
  whose weights are in a random order. Near 0 is right: the explanation depends on what was learned.
- **Deletion and insertion** (Petsiuk et al., 2018): the area under the score curve, 1 being the row's own score and 0
  the baseline's, while the largest attributions are removed first (lower is better) or inserted first (higher is
  better), beside random orders; in brackets the share of rows in which our order is better than random. Images and
  spectrograms are deleted in blocks, 16 x 16 to an image, since single missing pixels are only noise to a network.
- **Standard errors**: each Shapley value of a column has one, over the background rows and, where permutations are
  sampled, over these: "error" in JSON, ± in the terminal and in the report. A target none of whose columns exceeds two
  standard errors is not drawn. Integrated gradients have a fixed baseline and no such error.
- **Fast mode**: the rank correlation of `--fast` with the full mode, and its cost in predictions (three passes: the
  prediction, one forward and one backward pass at the middle of the path; CPU time). It explains the sum of a
  prediction's targets.

| data | test metric | rows | gap (largest) | randomization | deletion, ours / random | insertion, same | fast | cost |
|---|---|---|---|---|---|---|---|---|
{rows}

Medians over test rows at equal distances in the test split, one seed, short trainings. Methods:

{methods}

Limits: the baseline is a choice (the mean colour, no word, each band at its own mean, other rows' columns), and another
one gives other attributions. Correlated columns are replaced independently, so the network also sees rows that never
occur. A good curve shows that the order is right, not each attribution.

Expected gradients (Erion et al., 2019: eight other rows as baselines, four steps each) were tried instead. Validation
rows, insertion, ours / expected gradients: mnist 0.76 / 0.81, spoken_digits 0.99 / 1.04 (16 rows each), but camvid
0.88 / 0.69 (3 test rows); deletion was worse on all three (0.00 / 0.03, -0.04 / 0.09, 0.12 / 0.29).

On synthetic data the cause of a prediction is known. That explanations find it is tested in
`tests/explain/test_explain_causes.py` (columns, an image patch, a word for three networks, a frequency band, a time
step, a word for its own tag, a translated word, a mask's region) and `test_explain_locations.py` (words of a caption,
frame and region of a video, one of two images, the lag of a series). `test_explain_contract.py` tests each kind of
input and output, with missing values and empty rows.

Command: `python benchmarks/explanations.py`, measured at {commits}. Trainings are limited by steps, so the load of the
machine changes the time only. The numbers of each row are in [explanations.json](explanations.json).
"""

OVER_ALL_ROWS = """## Over all rows

`deepglass explain RUN --global` tells what the predictions rest on over the test rows, or over the labelled rows of a
further source; from Python `deepglass.explain_globally(run)`. The report has it as "What it relies on".

- The importance of an input is measured twice: the fall of the main metric when its values are permuted (mean of five
  permutations with its standard error), and the mean absolute Shapley value. An input that is used by single
  predictions and not missed when it is permuted is told by other inputs as well.
- An input is called a shortcut that alone keeps 80 % of what all inputs add to the metric, with all others permuted; or
  60 %, where each of these is ten times less important.
- Curves of partial dependence, and the pair of inputs whose joint effect is least a sum (Friedman's H).
- Of images, places are exchanged between images: a place that turns other images into a class decides it, as a
  mark does.
- Of texts, words are removed: a word without which most predictions of a class change decides it alone.
- Of sequences and sounds, eight parts in time are exchanged. Besides, the absolute attributions of up to 24 rows are
  averaged over eight bands in hertz and eight spans in seconds; of sequences over positions, from the end where these
  stand out more. A part stands out where its share is larger by two standard errors than with an equal spread.
- What is within its own error is said in a sentence and not drawn: an input, a part in time, or a word by two standard
  errors, a place of a class's images by 3.5, since a map has 64 of them.

Four sets are made by a seed so that the cause is known (`benchmarks/causes.py`): y = 2ab + c with a copy of a as a
decoy; a white corner of 3 of 24 pixels in all images of one class; a word in all texts of one class, with the default
text network; adult_census with a column that has the label of 97 % of the rows. A cause is named where the sentence
with it is printed by `deepglass explain RUN SOURCE --global`, for new rows, and stands in the report. Beside it: how
near the attributions of 16 new rows are to the truth, of the same network, against SHAP 0.51 (its default explainer
for the same 64 background rows; GradientExplainer for images) and Captum 0.9 (ShapleyValueSampling against the median
row, integrated gradients against black for images). The truth is the Shapley value of 2ab + c in the first set; in
the others 1 for the cause and 0 for all else, compared with absolute attributions.

| set | named by the command | by the report | deepglass: correlation, time a row | SHAP | Captum |
|---|---|---|---|---|---|
{causes}

Means over three seeds, in brackets the smallest and largest; processor time of one thread, after a first call; our time
includes the nearest rows, partial dependence and the counterfactual. The rules of the sentences were chosen on other
seeds. For the adult set the last three are no measure of truth: other columns do matter there.

Command: `python benchmarks/explanations.py causes --python PATH`, PATH an interpreter that has shap and captum;
{hardware}, other programs running. The results of each seed are in [explanations.json](explanations.json).

```python
import numpy as np
import polars as pl
import deepglass

random = np.random.default_rng(0)
a, b, c = random.normal(size=(3, 900))
table = pl.DataFrame({"a": a, "b": b, "c": c, "y": 2 * a * b + c})
run = deepglass.train(table, "y", epochs=30, out="runs/product", baselines=False)
(explanation,) = deepglass.explain_globally(run, table)
print(sorted(explanation.interaction.inputs))
#> ['a', 'b']
```
"""
