!> The toy ocean: `toy_ocean [namelist file]`, the default is namelist_cfg.
!! Runs by itself to nn_itend, or obeys a server that shares its mpirun. Any error ends with a non-zero code.
program toy_ocean
    use, intrinsic :: iso_fortran_env, only: error_unit, output_unit
    use bridge_client, only: bridge_close, bridge_coupled, bridge_halos_stale, bridge_handle, &
        bridge_next_step, bridge_open, bridge_step_done
    use diabud, only: dia_bud
    use diawri, only: dia_close, dia_open, dia_wri, output_file
    use dom_oce, only: domain
    use domini, only: dom_init
    use domwri, only: dom_wri
    use istate, only: istate_init
    use lbclnk, only: lbc_lnk
    use mpi, only: MPI_COMM_WORLD
    use nam_read, only: nam_read_file
    use nam_toy, only: toy_namelist
    use oce, only: forcing_alloc, forcing_from_python, ocean_state, state_alloc, surface_alloc, &
        surface_forcing, work, work_alloc
    use par_oce, only: wp
    use restart, only: rst_read, rst_write
    use sbc_global, only: climatology, climatology_read
    use step, only: stp
    use stpctl, only: stp_ctl
    use stplim, only: stp_lim
    use toy_bridge, only: toy_register
    use trd, only: trd_close, trd_open
    implicit none

    type(bridge_handle) :: bridge
    type(domain), target :: dom
    type(toy_namelist), target :: nam
    type(ocean_state), target :: state
    type(surface_forcing), target :: surface
    type(forcing_from_python), target :: forcing
    type(work), target :: w
    type(climatology) :: clim
    type(output_file) :: output
    character(len=:), allocatable :: message
    integer :: comm, kt, status, ierr

    call MPI_Init(ierr)
    call keep_heap()
    call bridge_open(bridge, MPI_COMM_WORLD, comm, 'toy_ocean', '0.1')
    call set_up()
    call toy_register(bridge, dom, nam, state, surface, forcing, w)

    status = 0
    kt = state%kt
    do while (bridge_next_step(bridge, kt, nam%run%nn_itend))
        if (bridge_halos_stale(bridge)) call exchange_written()
        call stp(kt, dom, nam, clim, state, surface, forcing, w)
        message = stp_ctl(dom, state)
        status = merge(1, 0, len(message) > 0)
        if (status /= 0 .and. .not. bridge_coupled(bridge)) &
            write (error_unit, '(a, i0, 2a)') 'toy_ocean: blow-up at step ', kt, ': ', message
        call bridge_step_done(bridge, kt, status)
        if (status == 0 .and. .not. bridge_coupled(bridge)) call write_files()
    end do

    call trd_close(dom)
    call dia_close(output)
    if (.not. bridge_coupled(bridge) .and. status == 0) call stp_lim(dom, nam, state)
    if (.not. bridge_coupled(bridge) .and. status == 0 .and. nam%run%nn_stock >= 0) then
        call rst_write(dom, trim(nam%run%cn_ocerst_out), state, message)
        call check(message)
    end if
    if (bridge_coupled(bridge)) status = 0
    call bridge_close(bridge)
    call MPI_Finalize(ierr)
    if (status /= 0) stop 2

contains

    !> Freeing one large array tells glibc to keep, from now on, the memory of freed arrays below its size:
    !! the work arrays of each step then cost no page faults. Elsewhere it does nothing.
    subroutine keep_heap()
        real(wp), allocatable, volatile :: large(:)
        allocate (large(3800000))
        large(1) = 0.0_wp
        deallocate (large)
    end subroutine keep_heap

    !> Namelist, domain, state: all that comes before the first step.
    subroutine set_up()
        call nam_read_file(namelist_path(), nam, message)
        call check(message)
        call dom_init(dom, nam, comm, message)
        call check(message)
        call state_alloc(dom, state)
        call surface_alloc(dom, surface)
        call forcing_alloc(dom, forcing)
        call work_alloc(dom, w)
        if (nam%cfg%cn_cfg == 'global') then
            call climatology_read(dom, trim(nam%cfg%cn_input), clim, message)
            call check(message)
        end if
        if (nam%run%ln_rstart) then
            call rst_read(dom, trim(nam%run%cn_ocerst_in), state, message)
        else
            call istate_init(dom, nam, state, message)
        end if
        call check(message)
        if (nam%dom%ln_meshmask) then
            call dom_wri(dom, 'mesh_mask.nc', message)
            call check(message)
        end if
        if (bridge_coupled(bridge)) return
        call stp_lim(dom, nam, state)
        if (nam%trd%ln_trd) then
            call trd_open(dom, 'trends.nc', message)
            call check(message)
        end if
        if (nam%run%nn_write > 0) then
            call dia_open(output, dom, trim(nam%run%cn_output), nam%run%cn_exp, message)
            call check(message)
            if (nam%run%ln_stat) call dia_bud(dom, 'run.stat', state, first=.true.)
        end if
    end subroutine set_up

    !> Files of a stand-alone run after step kt.
    subroutine write_files()
        if (nam%run%nn_write > 0) then
            if (mod(kt, nam%run%nn_write) == 0) then
                call dia_wri(output, dom, nam%dom%rn_Dt, state, w, message)
                call check(message)
                if (nam%run%ln_stat) call dia_bud(dom, 'run.stat', state, first=.false.)
            end if
        end if
        if (nam%run%nn_stock > 0) then
            if (mod(kt, nam%run%nn_stock) == 0) then
                call rst_write(dom, numbered(trim(nam%run%cn_ocerst_out), kt), state, message)
                call check(message)
            end if
        end if
    end subroutine write_files

    !> "restart.nc" -> "restart_00000100.nc"
    function numbered(path, step) result(name)
        character(len=*), intent(in) :: path
        integer, intent(in) :: step
        character(len=:), allocatable :: name
        character(len=8) :: digits
        integer :: dot
        write (digits, '(i8.8)') step
        dot = index(path, '.nc', back=.true.)
        if (dot == 0) dot = len(path) + 1
        name = path(1:dot - 1)//'_'//digits//'.nc'
    end function numbered

    !> A server has set the inner cells of arrays since the last step; their halos follow.
    !! (No hook: it would have to be an internal procedure, which needs an executable stack.)
    subroutine exchange_written()
        call lbc_lnk(dom%halo, state%t, state%s, state%u, state%v, state%en)
        call lbc_lnk(dom%halo, forcing%thetao_tendency, forcing%so_tendency, forcing%uo_tendency, &
            forcing%vo_tendency)
        call lbc_lnk(dom%halo, state%ssh, w%avtb_2d)
    end subroutine exchange_written

    function namelist_path() result(path)
        character(len=:), allocatable :: path
        character(len=1024) :: argument
        call get_command_argument(1, argument)
        path = trim(argument)
        if (len(path) == 0) path = 'namelist_cfg'
    end function namelist_path

    !> End the whole job, non-zero, when there is a message.
    subroutine check(message)
        character(len=*), intent(in) :: message
        integer :: rank, ierror
        if (len(message) == 0) return
        call MPI_Comm_rank(comm, rank, ierror)
        flush (output_unit)
        if (rank == 0) write (error_unit, '(2a)') 'toy_ocean: ', message
        flush (error_unit)
        call MPI_Abort(MPI_COMM_WORLD, 1, ierror)
        stop 1
    end subroutine check

end program toy_ocean
