#include "nemo_bridge_version.h90"
!> NEMO's calendar: part of the state, since forcing files are read by date.
module nemo_bridge_calendar
    use dom_oce, only: adatrj, fjulday, fjulstartyear, nday, nday_year, ndastp, nhour, nminute, &
        nmonth, nmonth_len, nsec1jan000, nsec_day, nsec_month, nsec_year, nyear, nyear_len
#if NEMO_BRIDGE_VERSION >= 42
    use dom_oce, only: nmonth_beg, nsec_monday
#else
    use dom_oce, only: nmonth_end, nmonth_half, nsec_week
#endif
    use nemo_bridge_visitor, only: item, visitor
    implicit none
    private

    public :: each_date

contains

    subroutine each_date(v)
        type(visitor), intent(inout) :: v
        call item(v, "nyear", nyear)
        call item(v, "nmonth", nmonth)
        call item(v, "nday", nday)
        call item(v, "nhour", nhour)
        call item(v, "nminute", nminute)
        call item(v, "ndastp", ndastp)
        call item(v, "nday_year", nday_year)
        call item(v, "nsec_year", nsec_year)
        call item(v, "nsec_month", nsec_month)
        call item(v, "nsec_day", nsec_day)
        call item(v, "nsec1jan000", nsec1jan000)
        call item(v, "adatrj", adatrj)
        call item(v, "fjulday", fjulday)
        call item(v, "fjulstartyear", fjulstartyear)
        call item(v, "nyear_len", nyear_len)
        call item(v, "nmonth_len", nmonth_len)
#if NEMO_BRIDGE_VERSION >= 42
        call item(v, "nsec_monday", nsec_monday)
        call item(v, "nmonth_beg", nmonth_beg)
#else
        call item(v, "nsec_week", nsec_week)
        call item(v, "nmonth_half", nmonth_half)
        call item(v, "nmonth_end", nmonth_end)
#endif
    end subroutine each_date
end module nemo_bridge_calendar
