!> Writes mesh_mask.nc: the whole mesh on the global grid, from which the twin takes it (NEMO's domwri).
module domwri
    use dom_oce, only: domain
    use iom, only: iom_check, iom_gather
    use netcdf, only: nf90_close, nf90_clobber, nf90_create, nf90_def_dim, nf90_def_var, nf90_double, &
        nf90_global, nf90_netcdf4, nf90_put_att, nf90_put_var
    use par_oce, only: wp
    implicit none
    private
    public :: dom_wri

contains

    subroutine dom_wri(dom, path, message)
        type(domain), intent(in) :: dom
        character(len=*), intent(in) :: path
        character(len=:), allocatable, intent(out) :: message   !! empty: written; rank 0 only
        integer :: ncid, dims(3), dim_w, varid
        message = ''
        if (dom%rank == 0) then
            call iom_check(nf90_create(path, ior(nf90_clobber, nf90_netcdf4), ncid), path, message)
            call iom_check(nf90_def_dim(ncid, 'x', dom%nx, dims(1)), path, message)
            call iom_check(nf90_def_dim(ncid, 'y', dom%ny, dims(2)), path, message)
            call iom_check(nf90_def_dim(ncid, 'z', dom%nz, dims(3)), path, message)
            call iom_check(nf90_def_dim(ncid, 'zw', dom%nz + 1, dim_w), path, message)
            call iom_check(nf90_put_att(ncid, nf90_global, 'periodic', merge(1, 0, dom%periodic)), &
                path, message)
            call iom_check(nf90_put_att(ncid, nf90_global, 'cbt_max', dom%cbt_max), path, message)
        end if
        call put_positions()
        call put_metrics()
        call put_masks()
        call put_1d('e3t_0', dom%e3t_0, dims(3))
        call put_1d('e3w_0', dom%e3w_0, dims(3))
        call put_1d('gdept_0', dom%gdept_0, dims(3))
        call put_1d('gdepw_0', dom%gdepw_0, dim_w)
        if (dom%rank == 0) call iom_check(nf90_close(ncid), path, message)

    contains

        subroutine put_positions()
            call put_2d('glamt', dom%glamt)
            call put_2d('glamu', dom%glamu)
            call put_2d('glamv', dom%glamv)
            call put_2d('glamf', dom%glamf)
            call put_2d('gphit', dom%gphit)
            call put_2d('gphiu', dom%gphiu)
            call put_2d('gphiv', dom%gphiv)
            call put_2d('gphif', dom%gphif)
        end subroutine put_positions

        subroutine put_metrics()
            call put_2d('e1t', dom%e1t)
            call put_2d('e2t', dom%e2t)
            call put_2d('e1u', dom%e1u)
            call put_2d('e2u', dom%e2u)
            call put_2d('e1v', dom%e1v)
            call put_2d('e2v', dom%e2v)
            call put_2d('e1f', dom%e1f)
            call put_2d('e2f', dom%e2f)
            call put_2d('e1e2t', dom%e1e2t)
            call put_2d('e1e2u', dom%e1e2u)
            call put_2d('e1e2v', dom%e1e2v)
            call put_2d('e1e2f', dom%e1e2f)
            call put_2d('ff_f', dom%ff_f)
            call put_2d('ht_0', dom%ht_0)
            call put_2d('hu_0', dom%hu_0)
            call put_2d('hv_0', dom%hv_0)
        end subroutine put_metrics

        subroutine put_masks()
            call put_2d('ssmask', dom%ssmask)
            call put_2d('ssumask', dom%ssumask)
            call put_2d('ssvmask', dom%ssvmask)
            call put_2d('mbkt', real(dom%mbkt, wp))
            call put_3d('tmask', dom%tmask)
            call put_3d('umask', dom%umask)
            call put_3d('vmask', dom%vmask)
            call put_3d('fmask', dom%fmask)
            call put_3d('wmask', dom%wmask)
            call put_3d('wumask', dom%wumask)
            call put_3d('wvmask', dom%wvmask)
        end subroutine put_masks

        subroutine put_1d(name, values, dim)
            character(len=*), intent(in) :: name
            real(wp), intent(in) :: values(:)
            integer, intent(in) :: dim
            if (dom%rank /= 0) return
            call iom_check(nf90_def_var(ncid, name, nf90_double, dim, varid), name, message)
            call iom_check(nf90_put_var(ncid, varid, values), name, message)
        end subroutine put_1d

        subroutine put_2d(name, field)
            character(len=*), intent(in) :: name
            real(wp), intent(in) :: field(:, :)
            real(wp), allocatable :: global(:, :)
            call iom_gather(dom, field, global)
            if (dom%rank /= 0) return
            call iom_check(nf90_def_var(ncid, name, nf90_double, dims(1:2), varid), name, message)
            call iom_check(nf90_put_var(ncid, varid, global), name, message)
        end subroutine put_2d

        subroutine put_3d(name, field)
            character(len=*), intent(in) :: name
            real(wp), intent(in) :: field(:, :, :)
            real(wp), allocatable :: global(:, :, :)
            call iom_gather(dom, field, global)
            if (dom%rank /= 0) return
            call iom_check(nf90_def_var(ncid, name, nf90_double, dims, varid), name, message)
            call iom_check(nf90_put_var(ncid, varid, global), name, message)
        end subroutine put_3d

    end subroutine dom_wri

end module domwri
