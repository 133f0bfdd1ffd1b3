"""Constants of the ocean, as in `par_oce.f90`."""

grav = 9.80665  # m s-2
rho0 = 1026.0  # kg m-3
rcp = 3991.86795711963  # J kg-1 K-1
rearth = 6371229.0  # m
omega = 7.292115083046062e-5  # s-1
vkarmn = 0.4  # von Karman's constant
