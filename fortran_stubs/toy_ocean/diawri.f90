!> Instantaneous fields in a CF file, gathered on rank 0 (NEMO's diawri). Land holds 0.
module diawri
    use dom_oce, only: domain
    use iom, only: iom_check, iom_gather, iom_put_record
    use netcdf, only: nf90_close, nf90_clobber, nf90_create, nf90_def_dim, nf90_def_var, nf90_double, &
        nf90_global, nf90_inq_varid, nf90_netcdf4, nf90_noerr, nf90_put_att, nf90_put_var, nf90_sync, &
        nf90_unlimited
    use oce, only: ocean_state, work
    use par_oce, only: wp
    implicit none
    private
    public :: output_file, dia_open, dia_wri, dia_close

    type :: output_file
        integer :: ncid = -1       !! open on rank 0 only
        integer :: record = 0
    end type output_file

contains

    !> Create the file with its axes.
    subroutine dia_open(file, dom, path, title, message)
        type(output_file), intent(inout) :: file
        type(domain), intent(in) :: dom
        character(len=*), intent(in) :: path, title
        character(len=:), allocatable, intent(out) :: message   !! empty: done; rank 0 only
        real(wp), allocatable :: longitude(:, :), latitude(:, :)
        integer :: x, y, z, t
        message = ''
        call iom_gather(dom, dom%glamt, longitude)
        call iom_gather(dom, dom%gphit, latitude)
        if (dom%rank /= 0) return
        call iom_check(nf90_create(path, ior(nf90_clobber, nf90_netcdf4), file%ncid), path, message)
        if (len(message) > 0) return
        call iom_check(nf90_def_dim(file%ncid, 'x', dom%nx, x), path, message)
        call iom_check(nf90_def_dim(file%ncid, 'y', dom%ny, y), path, message)
        call iom_check(nf90_def_dim(file%ncid, 'z', dom%nz, z), path, message)
        call iom_check(nf90_def_dim(file%ncid, 'time_counter', nf90_unlimited, t), path, message)
        call iom_check(nf90_put_att(file%ncid, nf90_global, 'Conventions', 'CF-1.10'), path, message)
        call iom_check(nf90_put_att(file%ncid, nf90_global, 'title', trim(title)), path, message)
        call iom_check(nf90_put_att(file%ncid, nf90_global, 'comment', &
            'values of land are 0; level k of a W field is the interface above level k'), path, message)
        call axis('nav_lon', [x, y], 'longitude', 'degrees_east', matrix=longitude)
        call axis('nav_lat', [x, y], 'latitude', 'degrees_north', matrix=latitude)
        call axis('deptht', [z], 'depth', 'm', column=dom%gdept_0)
        call axis('depthw', [z], 'depth', 'm', column=dom%gdepw_0(1:dom%nz))
        call axis('time_counter', [t], 'time', 'seconds since 0001-01-01 00:00:00')

    contains

        subroutine axis(name, dims, standard_name, units, matrix, column)
            character(len=*), intent(in) :: name, standard_name, units
            integer, intent(in) :: dims(:)
            real(wp), intent(in), optional :: matrix(:, :), column(:)
            integer :: varid
            call iom_check(nf90_def_var(file%ncid, name, nf90_double, dims, varid), name, message)
            call iom_check(nf90_put_att(file%ncid, varid, 'standard_name', standard_name), name, message)
            call iom_check(nf90_put_att(file%ncid, varid, 'units', units), name, message)
            if (name == 'time_counter') &
                call iom_check(nf90_put_att(file%ncid, varid, 'calendar', '360_day'), name, message)
            if (present(column)) then
                call iom_check(nf90_put_att(file%ncid, varid, 'positive', 'down'), name, message)
                call iom_check(nf90_put_var(file%ncid, varid, column), name, message)
            end if
            if (present(matrix)) call iom_check(nf90_put_var(file%ncid, varid, matrix), name, message)
        end subroutine axis

    end subroutine dia_open

    !> Write the state after state%kt steps, and the coefficients of the last one.
    subroutine dia_wri(file, dom, time_step, state, w, message)
        type(output_file), intent(inout) :: file
        type(domain), intent(in) :: dom
        real(wp), intent(in) :: time_step          !! s
        type(ocean_state), intent(in) :: state
        type(work), intent(in) :: w
        character(len=:), allocatable, intent(out) :: message   !! empty: written; rank 0 only
        integer :: varid
        message = ''
        file%record = file%record + 1
        if (dom%rank == 0) then
            call iom_check(nf90_inq_varid(file%ncid, 'time_counter', varid), 'time_counter', message)
            call iom_check(nf90_put_var(file%ncid, varid, real(state%kt, wp)*time_step, &
                start=[file%record]), 'time_counter', message)
        end if
        call put('thetao', state%t, 'sea_water_potential_temperature', 'degC', 'deptht')
        call put('so', state%s, 'sea_water_practical_salinity', '1e-3', 'deptht')
        call put('uo', state%u, 'sea_water_x_velocity', 'm s-1', 'deptht')
        call put('vo', state%v, 'sea_water_y_velocity', 'm s-1', 'deptht')
        call put('wo', w%wo, 'upward_sea_water_velocity', 'm s-1', 'depthw')
        call put('en', state%en, 'specific_turbulent_kinetic_energy_of_sea_water', 'm2 s-2', 'depthw')
        call put('avt', w%avt, 'ocean_vertical_heat_diffusivity', 'm2 s-1', 'depthw')
        call put('avm', w%avm, 'ocean_vertical_momentum_diffusivity', 'm2 s-1', 'depthw')
        call put_surface('zos', state%ssh, 'sea_surface_height_above_geoid', 'm')
        if (dom%rank == 0) call iom_check(nf90_sync(file%ncid), 'output', message)

    contains

        subroutine put(name, field, standard_name, units, depth)
            character(len=*), intent(in) :: name, standard_name, units, depth
            real(wp), intent(in) :: field(:, :, :)
            real(wp), allocatable :: global(:, :, :)
            call iom_gather(dom, field, global)
            if (dom%rank /= 0) return
            call iom_put_record(file%ncid, name, global, file%record)
            call describe(name, standard_name, units, depth//' ')
        end subroutine put

        subroutine put_surface(name, field, standard_name, units)
            character(len=*), intent(in) :: name, standard_name, units
            real(wp), intent(in) :: field(:, :)
            real(wp), allocatable :: global(:, :)
            call iom_gather(dom, field, global)
            if (dom%rank /= 0) return
            call iom_put_record(file%ncid, name, global, file%record)
            call describe(name, standard_name, units, '')
        end subroutine put_surface

        subroutine describe(name, standard_name, units, depth)
            character(len=*), intent(in) :: name, standard_name, units, depth
            integer :: id
            if (file%record > 1) return
            if (nf90_inq_varid(file%ncid, name, id) /= nf90_noerr) then
                message = 'variable '//name//' could not be written'
                return
            end if
            call iom_check(nf90_put_att(file%ncid, id, 'standard_name', standard_name), name, message)
            call iom_check(nf90_put_att(file%ncid, id, 'units', units), name, message)
            call iom_check(nf90_put_att(file%ncid, id, 'coordinates', &
                'time_counter '//depth//'nav_lat nav_lon'), name, message)
        end subroutine describe

    end subroutine dia_wri

    subroutine dia_close(file)
        type(output_file), intent(inout) :: file
        integer :: ignored
        if (file%ncid >= 0) ignored = nf90_close(file%ncid)
        file%ncid = -1
    end subroutine dia_close

end module diawri
