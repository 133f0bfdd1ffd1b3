!> Which words of a local array travel: its inner cells, row by row, and how they are copied.
module bridge_block
    use, intrinsic :: iso_c_binding, only: c_char, c_f_pointer, c_loc, c_ptr, c_size_t
    use bridge_kinds, only: int32, int64
    use bridge_system, only: copy_bytes
    implicit none
    private

    public :: block_shape, whole, words_of, words_per_piece, copy_block, copy_rows

    !> The inner cells of a local array, in words of 32 bits: of a row, rows, levels.
    type :: block_shape
        integer :: sizes(3) = 1   !! of the local array
        integer :: inner(3) = 1   !! those that travel
        integer :: starts(3) = 0  !! those before them
    end type block_shape

contains

    !> All of `words` words.
    pure function whole(words) result(shape)
        integer, intent(in) :: words
        type(block_shape) :: shape
        shape = block_shape([words, 1, 1], [words, 1, 1], [0, 0, 0])
    end function whole

    !> Words that travel.
    pure function words_of(shape) result(words)
        type(block_shape), intent(in) :: shape
        integer(int64) :: words
        words = product(int(shape%inner, int64))
    end function words_of

    !> Words of a piece, at most `most`: whole levels if they are small, else whole rows, of
    !> contiguous data and of longer rows any.
    pure function words_per_piece(shape, most) result(words)
        type(block_shape), intent(in) :: shape
        integer, intent(in) :: most
        integer(int64) :: words
        integer(int64) :: row, level
        row = shape%inner(1)
        level = row*shape%inner(2)
        if (shape%inner(2)*shape%inner(3) == 1 .or. row > most) then
            words = most
        else if (level <= most) then
            words = level*(most/max(1_int64, level))
        else
            words = row*(most/row)
        end if
    end function words_per_piece

    !> Copy `count` words of the block, from word `first` (from 0) on, to or from `memory`, which
    !> need not be aligned.
    subroutine copy_block(words, shape, first, count, memory, outward)
        integer(int32), intent(in), contiguous, target :: words(:)
        type(block_shape), intent(in) :: shape
        integer(int64), intent(in) :: first, count
        type(c_ptr), intent(in) :: memory
        logical, intent(in) :: outward  !! out of the model's array
        character(kind=c_char), pointer :: bytes(:)
        integer(int64) :: done, column, row, level, place, run

        if (count == 0) return
        call c_f_pointer(memory, bytes, [4*count])
        column = mod(first, int(shape%inner(1), int64))
        row = mod(first/shape%inner(1), int(shape%inner(2), int64))
        level = first/shape%inner(1)/shape%inner(2)
        done = 0
        do
            run = min(shape%inner(1) - column, count - done)
            place = shape%starts(1) + column + int(shape%sizes(1), int64)*(shape%starts(2) + row &
                + int(shape%sizes(2), int64)*(shape%starts(3) + level))
            if (outward) then
                call copy_bytes(c_loc(bytes(4*done + 1)), c_loc(words(place + 1)), &
                    int(4*run, c_size_t))
            else
                call copy_bytes(c_loc(words(place + 1)), c_loc(bytes(4*done + 1)), &
                    int(4*run, c_size_t))
            end if
            done = done + run
            if (done == count) exit
            column = 0
            row = row + 1
            if (row == shape%inner(2)) then
                row = 0
                level = level + 1
            end if
        end do
    end subroutine copy_block

    !> Copy the whole block to or from `memory`, where its rows and levels lie apart from each other.
    subroutine copy_rows(words, shape, memory, row_stride, level_stride, outward)
        integer(int32), intent(inout), contiguous, target :: words(:)
        type(block_shape), intent(in) :: shape
        type(c_ptr), intent(in) :: memory           !! of its first value
        integer(int64), intent(in) :: row_stride    !! words from a row to the next
        integer(int64), intent(in) :: level_stride  !! words from a level to the next
        logical, intent(in) :: outward              !! out of the model's array
        integer(int32), pointer, contiguous :: there(:)
        integer(int64) :: far, near
        integer(c_size_t) :: bytes
        integer :: row, level

        if (words_of(shape) == 0) return
        bytes = 4*int(shape%inner(1), c_size_t)
        call c_f_pointer(memory, there, [(shape%inner(3) - 1)*level_stride &
            + (shape%inner(2) - 1)*row_stride + shape%inner(1)])
        do level = 0, shape%inner(3) - 1
            do row = 0, shape%inner(2) - 1
                far = level*level_stride + row*row_stride
                near = shape%starts(1) + int(shape%sizes(1), int64)*(shape%starts(2) + row &
                    + int(shape%sizes(2), int64)*(shape%starts(3) + level))
                if (outward) then
                    call copy_bytes(c_loc(there(far + 1)), c_loc(words(near + 1)), bytes)
                else
                    call copy_bytes(c_loc(words(near + 1)), c_loc(there(far + 1)), bytes)
                end if
            end do
        end do
    end subroutine copy_rows
end module bridge_block
