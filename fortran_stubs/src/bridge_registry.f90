!> What a model has registered: names, roles, where the data are, and how to reach them.
!>
!> An entry is reached either in place, through the address of TARGET data, or through a pair of
!> get and put routines that do plain assignments, for data that the compiler does not know to be
!> a target. In both cases the library sees the local array, halos included, as words of 32 bits:
!> integer moves keep every bit, also of a NaN. Snapshots take all of it; for the wire, get and
!> put routines are asked for the current time level alone.
module bridge_registry
    use, intrinsic :: iso_c_binding, only: c_f_pointer, c_loc, c_null_ptr, c_ptr
    use bridge_kinds, only: int32, int64, max_rank, message_length, name_length, real64
    use bridge_protocol, only: bridge_diagnostic, bridge_forcing, bridge_parameter, &
        bridge_state, bridge_static, dtype_logical, dtype_real64
    implicit none
    private

    public :: grid_layout, registry_entry, registry, bridge_getter, bridge_putter
    public :: add_entry, find_entry, resolve, store, local_words, wire_extents
    public :: wire_place, wire_level

    abstract interface
        !> Copy the model's data into `values`, the local array with i running fastest.
        subroutine bridge_getter(name, level, values)
            import :: real64
            character(*), intent(in) :: name
            integer, intent(in) :: level  !! 0: the full array, else one index of its last dimension
            real(real64), intent(out) :: values(:)
        end subroutine bridge_getter
        !> Copy `values`, the local array with i running fastest, into the model's data.
        subroutine bridge_putter(name, level, values)
            import :: real64
            character(*), intent(in) :: name
            integer, intent(in) :: level  !! 0: the full array, else one index of its last dimension
            real(real64), intent(in) :: values(:)
        end subroutine bridge_putter
    end interface

    !> The global grid and the tile of this rank, in cells, halos not counted.
    type :: grid_layout
        integer :: global_shape(3) = 0         !! nx, ny, nz
        integer :: tile_start(2) = 1           !! global (i, j) of the first inner cell, from 1
        integer :: tile_shape(2) = 0           !! inner cells of this rank
        integer :: halo = 0                    !! width of the halo of arrays that have one
        integer :: local_shape(2) = 0          !! cells of arrays with a halo
        integer :: inner_start(2) = 1          !! local (i, j) of the first inner cell there
        logical :: periodic(2) = .false.       !! in i, in j
        character(4) :: fold = "none"          !! north fold: none, T or F pivot
        real(real64) :: time_step = 0.0_real64  !! s
        logical :: known = .false.
    end type grid_layout

    type :: registry_entry
        character(name_length) :: name = ""
        integer(int32) :: role = bridge_diagnostic
        character(1) :: point = " "            !! T U V W F, or blank
        character(32) :: units = "1"
        integer(int32) :: dtype = dtype_real64
        integer :: ndims = 0
        integer :: extents(max_rank) = 1       !! of the full local array
        integer :: before(2) = 0               !! cells before the inner ones, in i and j
        integer :: inner(2) = 0                !! inner cells
        logical :: tiled = .false.             !! lies on the horizontal grid
        integer, pointer :: level => null()    !! current index of the last dimension, if rotating
        type(c_ptr) :: address = c_null_ptr
        integer :: block = 0                   !! how the transport describes its inner cells
        logical :: block_known = .false.
        procedure(bridge_getter), pointer, nopass :: getter => null()
        procedure(bridge_putter), pointer, nopass :: putter => null()
    end type registry_entry

    type :: registry
        type(registry_entry), allocatable :: entries(:)
        integer :: count = 0
        real(real64), pointer :: scratch(:) => null()  !! local array of an entry with callbacks
    end type registry

contains

    !> Check an entry against the grid and append it; `message` is blank when all is well.
    subroutine add_entry(names, grid, entry, message)
        type(registry), intent(inout) :: names
        type(grid_layout), intent(in) :: grid
        type(registry_entry), intent(in) :: entry
        character(message_length), intent(out) :: message
        type(registry_entry), allocatable :: larger(:)

        message = ""
        if (.not. allocated(names%entries)) allocate (names%entries(32))
        if (find_entry(names, entry%name) > 0) then
            message = "'"//trim(entry%name)//"' is registered twice: give each datum its own name"
            return
        end if
        if (names%count == size(names%entries)) then
            allocate (larger(2*names%count))
            larger(:names%count) = names%entries
            call move_alloc(larger, names%entries)
        end if
        names%entries(names%count + 1) = entry
        call place_on_grid(names%entries(names%count + 1), grid, message)
        if (message == "") names%count = names%count + 1
    end subroutine add_entry

    !> Decide from its extents whether an array lies on the grid, and with which halo.
    subroutine place_on_grid(entry, grid, message)
        type(registry_entry), intent(inout) :: entry
        type(grid_layout), intent(in) :: grid
        character(message_length), intent(inout) :: message

        if (entry%role < bridge_parameter .or. entry%role > bridge_static) then
            write (message, "(3a, i0)") "'", trim(entry%name), "': unknown role ", entry%role
        else if (associated(entry%level) .and. entry%ndims == 0) then
            message = "'"//trim(entry%name)//"': level= needs an array"
        end if
        if (message /= "" .or. entry%ndims - merge(1, 0, associated(entry%level)) < 2) return
        if (.not. grid%known) then
            message = "call bridge_grid before registering the array '"//trim(entry%name)//"'"
        else if (all(entry%extents(:2) == grid%local_shape)) then
            entry%tiled = .true.
            entry%before = grid%inner_start - 1
        else if (all(entry%extents(:2) == grid%tile_shape)) then
            entry%tiled = .true.
        else
            write (message, "(3a, 2(i0, a), 2(i0, a), a, i0)") "'", trim(entry%name), "' is ", &
                entry%extents(1), " by ", entry%extents(2), " but the tile of this rank is ", &
                grid%tile_shape(1), " by ", grid%tile_shape(2), &
                ": register the tile itself or the tile with halos of width ", grid%halo
        end if
        entry%inner = grid%tile_shape
    end subroutine place_on_grid

    !> Number of the entry called `name`, 0 if there is none.
    pure function find_entry(names, name) result(number)
        type(registry), intent(in) :: names
        character(*), intent(in) :: name
        integer :: number, i
        number = 0
        do i = 1, names%count
            if (names%entries(i)%name == name) number = i
        end do
    end function find_entry

    !> Words of 32 bits per element.
    pure function element_words(entry) result(words)
        type(registry_entry), intent(in) :: entry
        integer :: words
        words = merge(2, 1, entry%dtype == dtype_real64)
    end function element_words

    !> Words of the full local array, halos and all time levels included.
    pure function local_words(entry) result(words)
        type(registry_entry), intent(in) :: entry
        integer(int64) :: words
        words = product(int(entry%extents, int64))*element_words(entry)
    end function local_words

    !> Which time level get and put routines exchange with the wire; 0: there is none to choose.
    pure function wire_level(entry) result(level)
        type(registry_entry), intent(in) :: entry
        integer :: level
        level = 0
        if (associated(entry%getter) .and. associated(entry%level)) level = entry%level
    end function wire_level

    !> Words that get and put routines exchange for `level`.
    pure function level_words(entry, level) result(words)
        type(registry_entry), intent(in) :: entry
        integer, intent(in) :: level
        integer(int64) :: words
        words = local_words(entry)
        if (level > 0) words = words/entry%extents(entry%ndims)
    end function level_words

    !> Point `words` at the full local array; with get and put routines, at a fresh copy in the
    !> scratch space, of one time level when `level` says so.
    subroutine resolve(names, number, words, level)
        type(registry), intent(inout) :: names
        integer, intent(in) :: number
        integer(int32), pointer, contiguous, intent(out) :: words(:)
        integer, intent(in), optional :: level  !! from `wire_level`; 0 or absent: all
        integer(int64) :: n
        integer :: wanted

        wanted = 0
        if (present(level)) wanted = level
        n = level_words(names%entries(number), wanted)
        if (.not. associated(names%entries(number)%getter)) then
            call c_f_pointer(names%entries(number)%address, words, [n])
            return
        end if
        if (associated(names%scratch)) then
            if (size(names%scratch, kind=int64) < n/2) deallocate (names%scratch)
        end if
        if (.not. associated(names%scratch)) allocate (names%scratch(n/2))
        call names%entries(number)%getter(trim(names%entries(number)%name), wanted, &
            names%scratch(:n/2))
        call c_f_pointer(c_loc(names%scratch), words, [n])
    end subroutine resolve

    !> After words of `resolve` have been changed: hand them to the model where it needs that.
    subroutine store(names, number, level)
        type(registry), intent(in) :: names
        integer, intent(in) :: number
        integer, intent(in), optional :: level  !! as given to `resolve`
        integer :: wanted

        if (.not. associated(names%entries(number)%putter)) return
        wanted = 0
        if (present(level)) wanted = level
        call names%entries(number)%putter(trim(names%entries(number)%name), wanted, &
            names%scratch(:level_words(names%entries(number), wanted)/2))
    end subroutine store

    !> Shape that travels: without halos and without the rotating last dimension.
    pure subroutine wire_extents(entry, ndims, extents)
        type(registry_entry), intent(in) :: entry
        integer(int32), intent(out) :: ndims
        integer(int32), intent(out) :: extents(max_rank)
        ndims = entry%ndims
        if (associated(entry%level)) ndims = ndims - 1
        extents = 0
        extents(:ndims) = entry%extents(:ndims)
        if (entry%tiled) extents(:2) = entry%inner
    end subroutine wire_extents

    !> Where in the full local array the words that travel lie.
    pure subroutine wire_place(entry, offset, sizes, inner, starts)
        type(registry_entry), intent(in) :: entry
        integer(int64), intent(out) :: offset  !! words before the current time level
        integer, intent(out) :: sizes(3)       !! words in a row, rows, levels of that time level
        integer, intent(out) :: inner(3)       !! those that travel
        integer, intent(out) :: starts(3)      !! those before them

        sizes = 1
        sizes(1) = entry%extents(1)*element_words(entry)
        sizes(2) = entry%extents(2)
        sizes(3) = product(entry%extents(3:))
        offset = 0
        if (associated(entry%level)) then
            call one_time_level(entry, sizes)
            ! Get and put routines hand over that level alone.
            if (wire_level(entry) == 0) offset = (entry%level - 1)*product(int(sizes, int64))
        end if
        inner = sizes
        starts = 0
        if (.not. entry%tiled) return
        inner(:2) = entry%inner*[element_words(entry), 1]
        starts(:2) = entry%before*[element_words(entry), 1]
    end subroutine wire_place

    !> Reduce the sizes of all time levels to those of one.
    pure subroutine one_time_level(entry, sizes)
        type(registry_entry), intent(in) :: entry
        integer, intent(inout) :: sizes(3)
        integer :: last
        last = min(3, entry%ndims)
        sizes(last) = sizes(last)/entry%extents(entry%ndims)
    end subroutine one_time_level
end module bridge_registry
