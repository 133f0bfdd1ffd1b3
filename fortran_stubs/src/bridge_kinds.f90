!> Kinds of the values that cross the bridge, in one place.
module bridge_kinds
    use, intrinsic :: iso_fortran_env, only: error_unit, int32, int64, real32, real64
    implicit none
    private

    public :: error_unit, int32, int64, real32, real64

    integer, parameter, public :: name_length = 64      !! longest name of a field or parameter
    integer, parameter, public :: message_length = 512  !! longest error message
    integer, parameter, public :: max_rank = 5          !! highest rank of a registered array
end module bridge_kinds
