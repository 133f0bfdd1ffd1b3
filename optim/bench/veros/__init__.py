"""`nemo-bridge bench veros`: how exact VEROS's gradients are and what they cost.

cells         results that are kept, so that a stopped bench goes on where it was
reference     the model, the spun-up state, the losses
differences   the exact gradient beside central finite differences
parity        our step beside stock VEROS
cost          gradient over forward, and memory over a year

`nemo-bridge veros`: experiments with that gradient.

twin           parameters recovered from the model's own output
initial_state  the initial temperature recovered from the temperature some steps later
"""
