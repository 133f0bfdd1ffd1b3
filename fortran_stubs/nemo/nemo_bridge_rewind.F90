!> Flags between the bridge and modules that NEMO's own modules use: it uses none itself.
module nemo_bridge_rewind
    implicit none
    private

    public :: nemo_bridge_blew_up

    logical, public :: nemo_bridge_attached = .false.  !! a server drives this run
    logical, public :: nemo_bridge_rewound = .false.   !! forcing files are to be read anew
    logical, public :: nemo_bridge_blow_up = .false.   !! stp_ctl found one in this step

contains

    !> Asked by NEMO 4.0's stp_ctl before it stops the job: with a server, the blow-up is noted and
    !> the step goes on to its end, where the server is told.
    function nemo_bridge_blew_up() result(noted)
        logical :: noted
        noted = nemo_bridge_attached
        if (noted) nemo_bridge_blow_up = .true.
    end function nemo_bridge_blew_up
end module nemo_bridge_rewind
