"""Public holidays that the law fixes years ahead, for the years that nobody has announced yet.

Regulation on Public Holidays for National Annual Festivals and Memorial Days (全国年节及纪念日放假办法, as amended from
2025-01-01): 1 January; the eve of the Spring Festival and the first three days of the lunar year; Qingming; 1 and 2
May; the Dragon Boat Festival; the Mid-Autumn Festival; 1 to 3 October. What is added to them each year, and which
weekday stands in for one on a week-end, is announced at the end of the year before.
"""

from __future__ import annotations

from datetime import date, timedelta

# Year, lunar new year, Qingming (the sun at 15 degrees), day 5 of lunar month 5 and day 15 of lunar month 8.
_FESTIVALS = """
2025 0129 0404 0531 1006  2026 0217 0405 0619 0925  2027 0206 0405 0609 0915  2028 0126 0404 0528 1003
2029 0213 0404 0616 0922  2030 0203 0405 0605 0912  2031 0123 0405 0624 1001  2032 0211 0404 0612 0919
2033 0131 0404 0601 0908  2034 0219 0405 0620 0927  2035 0208 0405 0610 0916  2036 0128 0404 0530 1004
2037 0215 0404 0618 0924  2038 0204 0405 0607 0913  2039 0124 0405 0527 1002  2040 0212 0404 0614 0920
2041 0201 0404 0603 0910  2042 0122 0404 0622 0928  2043 0210 0405 0611 0917  2044 0130 0404 0531 1005
2045 0217 0404 0619 0925  2046 0206 0404 0608 0915  2047 0126 0405 0529 1004  2048 0214 0404 0615 0922
2049 0202 0404 0604 0911  2050 0123 0404 0623 0930  2051 0211 0405 0613 0919  2052 0201 0404 0601 0907
2053 0219 0404 0620 0926  2054 0208 0404 0610 0916  2055 0128 0405 0530 1005  2056 0215 0404 0617 0924
2057 0204 0404 0606 0913  2058 0124 0404 0625 1002  2059 0212 0405 0614 0921  2060 0202 0404 0603 0909
"""
_WORDS = _FESTIVALS.split()
_OF_YEAR = {int(_WORDS[n]): _WORDS[n + 1 : n + 5] for n in range(0, len(_WORDS), 5)}
LAST_YEAR = max(_OF_YEAR)


def statutory_holidays(year: int) -> tuple[date, ...]:
    """The public holidays of a year from 2025 on that the law fixes, in order; those on week-ends too.

    Beyond `LAST_YEAR`, and before 2025, only the ones of the sun's calendar.
    """
    found = {date(year, 1, 1), date(year, 5, 1), date(year, 5, 2), *(date(year, 10, n) for n in (1, 2, 3))}
    if (festivals := _OF_YEAR.get(year)) is not None:
        spring, *others = (date(year, int(text[:2]), int(text[2:])) for text in festivals)
        found |= {spring + timedelta(days=n) for n in (-1, 0, 1, 2)} | set(others)
    return tuple(sorted(found))
