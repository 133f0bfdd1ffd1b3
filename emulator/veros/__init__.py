"""Stock VEROS, differentiable from outside: no fork, nothing vendored. `emulator.veros_model` is its façade.

runtime        VEROS's settings, chosen before its core is imported
memory         freed memory stays with the process
substitutes    what is put into its modules: safe roots, solves with a derivative of their own
tridiagonal    that derivative of the vertical solves
levels         fields whose time levels are arrays of their own
traced_state   a VerosState with settings as leaves and fixed time levels
barotropic     the direct solver, with an exact adjoint
prognostic     which arrays are the state
step           the kernels of a step in their order
model          all of it as `step(state, params)`
window_sums    the reverse of a step with its sums of padded arrays made in place
gradient       value and gradient over many steps
tangent        observations and their Jacobian for a few parameters
observed       fields, streamfunction, mixed-layer depth
black_box      the model behind the verbs of a Session
stock          VEROS as it comes, in a process of its own
setups         configurations by name
"""
