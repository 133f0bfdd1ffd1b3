!> Reads the namelist file. A group or entry that the model does not know is an error: a misspelt name
!! must never run with a default.
module nam_read
    use nam_read_domain, only: read_cfg, read_dom, read_lbc, read_mpp, read_run, read_trd, &
        read_usr_def
    use nam_read_dynamics, only: read_tra_adv, read_dyn_adv, read_dyn_spg
    use nam_read_mixing, only: read_drg, read_drg_bot, read_dyn_ldf, read_tra_eiv, read_tra_ldf, &
        read_zdf, read_zdf_tke
    use nam_read_surface, only: read_eos, read_sbc, read_sbc_ssr, read_tra_qsr
    use nam_toy, only: toy_namelist
    implicit none
    private
    public :: nam_read_file

    character(len=12), parameter :: groups(*) = [character(len=12) :: &
        'namcfg', &
        'namusr_def', 'namrun', 'namdom', 'nammpp', 'namlbc', 'nameos', 'namsbc', &
        'namsbc_ssr', 'namtra_qsr', 'namtra_adv', 'namtra_ldf', 'namtra_eiv', 'namdyn_adv', &
        'namdyn_ldf', 'namdyn_spg', 'namdrg', 'namdrg_bot', 'namzdf', 'namzdf_tke', 'namtrd']

contains

    !> Read every group of the file; groups that the file does not hold keep their defaults.
    subroutine nam_read_file(path, nam, message)
        character(len=*), intent(in) :: path
        type(toy_namelist), intent(inout) :: nam
        character(len=:), allocatable, intent(out) :: message   !! empty: read
        integer :: unit, iostat
        character(len=256) :: iomsg
        message = ''
        open (newunit=unit, file=path, status='old', action='read', iostat=iostat, iomsg=iomsg)
        if (iostat /= 0) then
            message = 'namelist file '//trim(path)//' cannot be opened: '//trim(iomsg)
            return
        end if
        call check_groups(unit, path, message)
        call read_cfg(unit, path, nam, message)
        call read_usr_def(unit, path, nam, message)
        call read_run(unit, path, nam, message)
        call read_dom(unit, path, nam, message)
        call read_mpp(unit, path, nam, message)
        call read_lbc(unit, path, nam, message)
        call read_eos(unit, path, nam, message)
        call read_sbc(unit, path, nam, message)
        call read_sbc_ssr(unit, path, nam, message)
        call read_tra_qsr(unit, path, nam, message)
        call read_tra_adv(unit, path, nam, message)
        call read_tra_ldf(unit, path, nam, message)
        call read_tra_eiv(unit, path, nam, message)
        call read_dyn_adv(unit, path, nam, message)
        call read_dyn_ldf(unit, path, nam, message)
        call read_dyn_spg(unit, path, nam, message)
        call read_drg(unit, path, nam, message)
        call read_drg_bot(unit, path, nam, message)
        call read_zdf(unit, path, nam, message)
        call read_zdf_tke(unit, path, nam, message)
        call read_trd(unit, path, nam, message)
        close (unit)
    end subroutine nam_read_file

    !> Every group in the file must be one that the model reads.
    subroutine check_groups(unit, path, message)
        integer, intent(in) :: unit
        character(len=*), intent(in) :: path
        character(len=:), allocatable, intent(inout) :: message
        character(len=512) :: line
        character(len=:), allocatable :: name
        integer :: iostat, n, number
        number = 0
        do
            read (unit, '(a)', iostat=iostat) line
            if (iostat /= 0) exit
            number = number + 1
            line = adjustl(line)
            if (line(1:1) /= '&') cycle
            name = lower(line(2:))
            n = scan(name, ' !/,'//achar(9)//achar(13))
            if (n > 0) name = name(1:n - 1)
            if (any(groups == name)) cycle
            message = 'namelist file '//trim(path)//': group &'//name//' is not one of '//known_groups()
            return
        end do
    end subroutine check_groups

    function known_groups() result(list)
        character(len=:), allocatable :: list
        integer :: n
        list = trim(groups(1))
        do n = 2, size(groups)
            list = list//' '//trim(groups(n))
        end do
    end function known_groups

    pure function lower(text) result(low)
        character(len=*), intent(in) :: text
        character(len=len_trim(text)) :: low
        integer :: n
        do n = 1, len(low)
            low(n:n) = text(n:n)
            if (text(n:n) >= 'A' .and. text(n:n) <= 'Z') low(n:n) = achar(iachar(text(n:n)) + 32)
        end do
    end function lower

end module nam_read
