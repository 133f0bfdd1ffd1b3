!> Kinds and constants of the ocean.
module par_oce
    use, intrinsic :: iso_fortran_env, only: real64
    implicit none
    private

    integer, parameter, public :: wp = real64
    integer, parameter, public :: hls = 2             !! halo width of every local array

    real(wp), parameter, public :: rpi = 3.141592653589793_wp
    real(wp), parameter, public :: rad = rpi/180.0_wp             !! radians per degree
    real(wp), parameter, public :: grav = 9.80665_wp              !! m s-2
    real(wp), parameter, public :: rho0 = 1026.0_wp               !! kg m-3
    real(wp), parameter, public :: rcp = 3991.86795711963_wp      !! J kg-1 K-1
    real(wp), parameter, public :: rearth = 6371229.0_wp          !! m
    real(wp), parameter, public :: omega = 7.292115083046062e-5_wp !! s-1
    real(wp), parameter, public :: vkarmn = 0.4_wp                !! von Karman's constant
    real(wp), parameter, public :: rday = 86400.0_wp              !! s
    real(wp), parameter, public :: ryear_days = 360.0_wp          !! days in the model's year
end module par_oce
