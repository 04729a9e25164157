"""Why a run answers as it does: attributions of its answers to the parts of its inputs, and tests that they are true.

questions   what is explained of an answer, as a figure: log-odds, units, the score of an object
entries     where the numbers of an input enter the network, and what stands there instead when it is taken away
gradients   integrated gradients from there, the quick gradient times input, and class activation maps
shapley     tables: what each column adds, by Shapley's rule
turning     tables: partial dependence, and the smallest change that turns the answer
parts       attributions as the user's parts: words, times, regions, columns
nearest     the training rows that the network finds most alike
checks      is it true: completeness, shuffled weights, deletion and insertion
explaining  all of it for some rows
"""
