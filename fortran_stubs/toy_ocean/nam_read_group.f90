!> What reading a namelist group says when it fails.
module nam_read_group
    use, intrinsic :: iso_fortran_env, only: iostat_end
    implicit none
    private
    public :: explain

contains

    !> Message for a group that could not be read. An absent group is no error.
    subroutine explain(path, group, iostat, iomsg, message)
        character(len=*), intent(in) :: path, group
        integer, intent(in) :: iostat
        character(len=*), intent(in) :: iomsg
        character(len=:), allocatable, intent(inout) :: message
        character(len=12) :: code
        if (iostat == 0 .or. iostat == iostat_end .or. len(message) > 0) return
        write (code, '(i0)') iostat
        message = 'namelist file '//trim(path)//', group &'//group//': '//trim(iomsg)// &
            ' (iostat '//trim(code)//'); expected an entry of that group and a value of its type'
    end subroutine explain

end module nam_read_group
