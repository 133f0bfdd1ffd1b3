!> The toy ocean, stand-alone or under a bridge: toy_ocean [namelist file].
program toy_ocean
    implicit none
    stop 1
end program toy_ocean
