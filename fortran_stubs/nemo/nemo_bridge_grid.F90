#include "nemo_bridge_version.h90"
!> Where the tile of this rank lies in the global grid, and NEMO's mesh and masks.
!>
!> The global grid is the one that NEMO's restart files have. In 4.0 it has the outermost rows of
!> the domain in it, so that the tiles at its edges have no halo there.
module nemo_bridge_grid
    use, intrinsic :: iso_fortran_env, only: real64
    use bridge_client, only: bridge_grid, bridge_handle, bridge_static
    ! What the macros of domzgr_substitute.h90 need differs between builds.
    ! allow(C121)
    use dom_oce
    use nemo_bridge_visitor, only: is_wanted, item, read_item, read_only, register_items, visitor
    ! allow(C121)
    use par_oce
    implicit none
    private

    public :: describe_grid, register_mesh

    !> First and last inner cells of this rank, in local indices.
    integer, public :: first_i = 1, last_i = 1, first_j = 1, last_j = 1

#if NEMO_BRIDGE_VERSION >= 50
#include "domzgr_substitute.h90"
#endif

contains

    subroutine describe_grid(bridge)
        type(bridge_handle), intent(inout) :: bridge
        real(real64) :: step
        character(4) :: fold

        fold = "none"
#if NEMO_BRIDGE_VERSION == 40
        first_i = nldi
        last_i = nlei
        first_j = nldj
        last_j = nlej
        step = real(rdt, real64)
        if (jperio == 3 .or. jperio == 4) fold = "T"
        if (jperio == 5 .or. jperio == 6) fold = "F"
        call bridge_grid(bridge, [jpiglo, jpjglo, jpk], [mig(nldi), mjg(nldj)], tile(), nn_hls, &
            step, [any(jperio == [1, 4, 6, 7]), any(jperio == [2, 7])], fold, [jpi, jpj], &
            [nldi, nldj])
#else
        first_i = Nis0
        last_i = Nie0
        first_j = Njs0
        last_j = Nje0
        step = real(rn_Dt, real64)
        if (l_NFold) fold = c_NFtype
        call bridge_grid(bridge, [Ni0glo, Nj0glo, jpk], [nimpp, njmpp], tile(), nn_hls, step, &
            [l_Iperio, l_Jperio], fold)
#endif
    end subroutine describe_grid

    function tile() result(cells)
        integer :: cells(2)
        cells = [last_i - first_i + 1, last_j - first_j + 1]
    end function tile

    subroutine register_mesh(bridge)
        type(bridge_handle), intent(inout), target :: bridge
        call register_items(each_mesh_array, bridge, bridge_static, get_mesh, read_only)
    end subroutine register_mesh

    subroutine each_mesh_array(v)
        type(visitor), intent(inout) :: v
        call item(v, "tmask", tmask, "T", "1")
        call item(v, "umask", umask, "U", "1")
        call item(v, "vmask", vmask, "V", "1")
        call item(v, "wmask", wmask, "W", "1")
        call item(v, "glamt", glamt, "T", "degrees_east")
        call item(v, "gphit", gphit, "T", "degrees_north")
        call item(v, "glamu", glamu, "U", "degrees_east")
        call item(v, "gphiu", gphiu, "U", "degrees_north")
        call item(v, "glamv", glamv, "V", "degrees_east")
        call item(v, "gphiv", gphiv, "V", "degrees_north")
        call item(v, "e1t", e1t, "T", "m")
        call item(v, "e2t", e2t, "T", "m")
        call item(v, "e1u", e1u, "U", "m")
        call item(v, "e2u", e2u, "U", "m")
        call item(v, "e1v", e1v, "V", "m")
        call item(v, "e2v", e2v, "V", "m")
        call item(v, "gdept_1d", gdept_1d, "T", "m")
        call item(v, "gdepw_1d", gdepw_1d, "W", "m")
        call item(v, "e3t_1d", e3t_1d, "T", "m")
        if (is_wanted(v, "gdept_0")) call computed(v, "gdept_0")
        if (is_wanted(v, "e3t_0")) call computed(v, "e3t_0")
    end subroutine each_mesh_array

    !> Fields that 5.0 may keep in one dimension only.
    subroutine computed(v, name)
        type(visitor), intent(inout) :: v
        character(*), intent(in) :: name
        real(real64) :: field(last_i - first_i + 1, last_j - first_j + 1, jpk)
        integer :: ji, jj, jk
        do jk = 1, jpk
            do jj = 1, size(field, 2)
                do ji = 1, size(field, 1)
                    field(ji, jj, jk) = reference(name, ji + first_i - 1, jj + first_j - 1, jk)
                end do
            end do
        end do
        call item(v, name, field, "T", "m")
    end subroutine computed

    function reference(name, ji, jj, jk) result(value)
        character(*), intent(in) :: name
        integer, intent(in) :: ji, jj, jk
        real(real64) :: value
        if (name == "e3t_0") then
            value = real(e3t_0(ji,jj,jk), real64)
        else
            value = real(gdept_0(ji,jj,jk), real64)
        end if
    end function reference

    subroutine get_mesh(name, level, values)
        character(*), intent(in) :: name
        integer, intent(in) :: level
        real(real64), intent(out) :: values(:)
        call read_item(each_mesh_array, name, level, values)
    end subroutine get_mesh
end module nemo_bridge_grid
