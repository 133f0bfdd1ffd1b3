"""What can be differentiated: tangent linears, sweeps over recorded runs, twins of the models.

tangent_linear   a Jacobian known by its products
sweep            sensitivities along a recorded real trajectory
precision        float64 or an error
toy_ocean        the exact twin of the Fortran toy ocean
"""
