!> What a model says about itself, as JSON text: readable, and open to new entries.
module bridge_description
    use bridge_handles, only: bridge_handle
    use bridge_kinds, only: int32, max_rank, real32, real64
    use bridge_protocol, only: dtype_int32, dtype_logical, dtype_real32, dtype_real64
    use bridge_registry, only: registry_entry, resolve, wire_extents
    implicit none
    private

    public :: description_of

contains

    !> The whole description of this rank.
    function description_of(bridge) result(json)
        type(bridge_handle), intent(inout) :: bridge
        character(:), allocatable :: json
        integer :: i

        json = "{"//pair("model", text(bridge%model))//","//pair("version", text(bridge%version)) &
            //","//pair("rank", number(bridge%link%rank)) &
            //","//pair("ranks", number(bridge%link%size)) &
            //","//pair("instance", number(bridge%link%instance)) &
            //","//pair("time_step", real_number(bridge%grid%time_step)) &
            //","//pair("global_shape", numbers(bridge%grid%global_shape)) &
            //","//pair("tile_start", numbers(bridge%grid%tile_start)) &
            //","//pair("tile_shape", numbers(bridge%grid%tile_shape)) &
            //","//pair("halo", number(bridge%grid%halo)) &
            //","//pair("periodic", "["//truth(bridge%grid%periodic(1))//"," &
            //truth(bridge%grid%periodic(2))//"]") &
            //","//pair("fold", text(bridge%grid%fold))//","//'"fields":['
        do i = 1, bridge%names%count
            if (i > 1) json = json//","
            json = json//entry_description(bridge, i)
        end do
        json = json//"]}"
    end function description_of

    !> One registered name; scalars come with their value.
    function entry_description(bridge, i) result(json)
        type(bridge_handle), intent(inout) :: bridge
        integer, intent(in) :: i
        character(:), allocatable :: json
        integer(int32) :: ndims, extents(max_rank)

        associate (entry => bridge%names%entries(i))
            call wire_extents(entry, ndims, extents)
            json = "{"//pair("name", text(entry%name))//","//pair("role", number(entry%role)) &
                //","//pair("dtype", number(entry%dtype)) &
                //","//pair("extents", numbers(extents(:ndims))) &
                //","//pair("point", text(entry%point))//","//pair("units", text(entry%units))
        end associate
        if (ndims == 0) json = json//","//pair("value", scalar_value(bridge, i))
        json = json//"}"
    end function entry_description

    !> Current value of a scalar; 17 digits bring back every bit of a real64.
    function scalar_value(bridge, i) result(json)
        type(bridge_handle), intent(inout) :: bridge
        integer, intent(in) :: i
        character(:), allocatable :: json
        integer(int32), pointer, contiguous :: words(:)

        call resolve(bridge%names, i, words)
        select case (bridge%names%entries(i)%dtype)
        case (dtype_real64)
            json = real_number(transfer(words(1:2), 1.0_real64))
        case (dtype_real32)
            json = real_number(real(transfer(words(1), 1.0_real32), real64))
        case (dtype_int32)
            json = number(int(words(1)))
        case (dtype_logical)
            json = truth(words(1) /= 0)
        case default
            json = "null"
        end select
    end function scalar_value

    pure function pair(name, value) result(json)
        character(*), intent(in) :: name, value
        character(:), allocatable :: json
        json = '"'//name//'":'//value
    end function pair

    !> A JSON string; quotes and backslashes are escaped.
    pure function text(string) result(json)
        character(*), intent(in) :: string
        character(:), allocatable :: json
        integer :: i
        json = '"'
        do i = 1, len_trim(string)
            if (index('"\', string(i:i)) > 0) json = json//"\"
            json = json//string(i:i)
        end do
        json = json//'"'
    end function text

    pure function number(value) result(json)
        integer, intent(in) :: value
        character(:), allocatable :: json
        character(16) :: digits
        write (digits, "(i0)") value
        json = trim(digits)
    end function number

    pure function real_number(value) result(json)
        real(real64), intent(in) :: value
        character(:), allocatable :: json
        character(32) :: digits
        write (digits, "(es25.16e3)") value
        json = trim(adjustl(digits))
    end function real_number

    pure function numbers(values) result(json)
        integer, intent(in) :: values(:)
        character(:), allocatable :: json
        integer :: i
        json = "["
        do i = 1, size(values)
            if (i > 1) json = json//","
            json = json//number(values(i))
        end do
        json = json//"]"
    end function numbers

    pure function truth(flag) result(json)
        logical, intent(in) :: flag
        character(:), allocatable :: json
        json = "false"
        if (flag) json = "true"
    end function truth
end module bridge_description
