"""`nemo-bridge bench gradients`: approximate gradients beside exact ones, on models whose exact gradient is known.

registry                what can be run: cases and estimators by name
problem                 what a case offers at one window, and what an estimator gives back
runner, cells           the loop; one JSON file per case, estimator, window and seed
scores                  cosine, norm ratio, signs, worst relative error; what guesses would score
figures, table, figure  drawn from the cells alone
"""
