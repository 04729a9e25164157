"""Spellings of dates and times that strptime cannot read, rewritten as ones that it can.

    plain_dates(pl.Series(["5. März 2020 um 15:04 Uhr"]))           # "5 Mar 2020 15:04"
    plain_dates(pl.Series(["2020年3月5日", "2020. 3. 5."]))          # "2020-3-5"

Months are read in the languages of `_MONTHS`, time zones by the names in `_OFFSETS`. Other texts stay as they are.
"""

import polars as pl

_MONTHS = {
    "Jan": "janvier janv enero ene gennaio gen januar januari "
    "jänner jän janeiro stycznia styczeń января январь янв ocak",
    "Feb": "février fevrier févr fév febrero febbraio februar februari "
    "fevereiro fev lutego luty февраля февраль фев şubat",
    "Mar": "mars marzo märz mrz mär maart mrt março marco marca marzec marts марта март мар mart",
    "Apr": "avril avr abril abr aprile april kwietnia kwiecień апреля апрель апр nisan",
    "May": "mai mayo maggio mag mei maio maja maj мая май mayıs",
    "Jun": "juin junio giugno giu juni junho czerwca czerwiec июня июнь июн haziran",
    "Jul": "juillet juil julio luglio lug juli julho lipca lipiec июля июль июл temmuz",
    "Aug": "août aout agosto ago augustus augusti sierpnia sierpień августа август авг ağustos",
    "Sep": "sept septembre septiembre settembre set setembro września wrzesień сентября сентябрь сен eylül",
    "Oct": "octobre octubre ottobre ott oktober okt outubro out października październik октября октябрь окт ekim",
    "Nov": "novembre noviembre novembro listopada listopad ноября ноябрь ноя kasım",
    "Dec": "décembre decembre déc diciembre dic dicembre dezember "
    "dez dezembro grudnia grudzień декабря декабрь дек aralık",
}
_ENGLISH = "January February March April May June July August September October November December"
_MONTH_OF = {
    **{name.lower(): name for name in _ENGLISH.split()},
    **{name[:3].lower(): name[:3] for name in _ENGLISH.split()},
    **{word: month for month, words in _MONTHS.items() for word in words.split()},
}
_OFFSETS = {
    **{"EST": "-0500", "EDT": "-0400", "CST": "-0600", "CDT": "-0500", "MST": "-0700", "MDT": "-0600"},
    **{"PST": "-0800", "PDT": "-0700", "CET": "+0100", "CEST": "+0200", "MEZ": "+0100", "MESZ": "+0200"},
    **{"WET": "+0000", "WEST": "+0100", "BST": "+0100", "EET": "+0200", "EEST": "+0300", "MSK": "+0300"},
    **{"IST": "+0530", "JST": "+0900", "KST": "+0900", "AEST": "+1000", "AEDT": "+1100"},
}
_USUAL = r"^[\d\s:/.T+Z-]*$"  # no letters: only the rules of `_DIGITS` can match

_DIGITS = (
    (r"^(\d{4}):(\d\d):(\d\d) ", "$1-$2-$3 "),  # EXIF
    (r"^(\d{4})(\d\d)(\d\d)[T_-](\d\d)(\d\d)(\d\d)?(Z)?$", "$1-$2-$3 $4:$5:${6}$7"),
    (r"^((?:19|20)\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$", "$1-$2-$3 $4:$5:$6"),
    (r"^(\d{4}-\d\d-\d\d \d\d:\d\d):(Z?)$", "$1$2"),  # seconds were absent
    (r"^(\d{4}-\d\d-\d\d)[_T -](\d\d)-(\d\d)-(\d\d)$", "$1 $2:$3:$4"),
    (r"^(\d{4})\. (\d{1,2})\. (\d{1,2})\.?( |$)", "$1-$2-$3$4"),  # as in Korea
    (r"(:\d\d(?:\.\d+)?)([+-]\d\d)$", "$1${2}00"),
    (r"^(\d{1,2}[./-]\d{1,2}[./-]\d{4}),? (\d{1,2})\.(\d\d)(?:\.(\d\d))?$", "$1 $2:$3:$4"),
    (r"(\d:\d\d):$", "$1"),
)
_DAY_NAMES = (  # of the week
    "mon(?:day)?|tue(?:s|sday)?|wed(?:nesday)?|thu(?:r|rs|rsday)?|fri(?:day)?|sat(?:urday)?|sun(?:day)?"
    "|mo|di|mi|do|fr|sa|so|(?:mon|diens|donners|frei|sams|sonn)tag|mittwoch|sonnabend"
    "|lun|mar|mer|jeu|ven|sam|dim|(?:lun|mar|mercre|jeu|vendre|same)di|dimanche"
    "|mié|jue|vie|sáb|dom|lunes|martes|miércoles|jueves|viernes|sábado|domingo|gio|sab|lunedì|martedì|mercoledì"
    "|giovedì|venerdì|sabato|domenica|seg|ter|qua|qui|sex|(?:segunda|terça|quarta|quinta|sexta)-feira"
    "|пн|вт|ср|чт|пт|сб|вс|понедельник|вторник|среда|четверг|пятница|суббота|воскресенье"
)
_WORDS = (
    (r"(\d{4})\s?[年년]\s?(\d{1,2})\s?[月월]\s?(\d{1,2})\s?[日일](?:\s?\(\p{L}+\))?\s?", "$1-$2-$3 "),
    (r"(\d{4})\s?[年년]\s?(\d{1,2})\s?[月월]", "$1-$2"),
    (r"(\d{1,2})\s?[時时點点시]\s?(\d{1,2})\s?[分분]\s?(?:(\d{1,2})\s?[秒초])?", "$1:$2:$3"),
    (r"(?:上午|午前|오전)\s?(\d{1,2}:\d\d(?::\d\d)?)", "$1 AM"),
    (r"(?:下午|午後|오후)\s?(\d{1,2}:\d\d(?::\d\d)?)", "$1 PM"),
    (r"(?i)(\d) ?([ap])\.? ?m\.?$", "$1 ${2}M"),
    (r"(?i)(\d{4},?) (?:at|um|à|às|a las|alle|kl\.?|om|о|в) (\d)", "$1 $2"),
    (r"(?i)(\d:\d\d(?::\d\d)?) ?(?:uhr|h|hrs?)$", "$1"),
    (r"( \d{1,2})h(\d\d)(?:m(?:in)?)?$", "$1:$2"),
    (r"(:\d\d),(\d{1,9})$", "$1.$2"),
    (r" (\d{1,2})\.(\d\d)\.(\d\d)(\.\d+)? ([AP]M)$", " $1:$2:$3$4 $5"),  # Oracle
    (r"^\[?(\d{1,2})/([A-Za-z]{3})/(\d{4}):(\d\d:\d\d:\d\d)(.*?)\]?$", "$1-$2-$3 $4$5"),  # logs of web servers
    (r"^\w{3} (\w{3} \d\d \d{4} \d\d:\d\d:\d\d) (?:GMT|UTC)([+-]\d{4})(?: \(.*\))?$", "$1 $2"),  # JavaScript
    (r"\[[A-Za-z_]+/[A-Za-z_/]+\]$", ""),  # the zone's name behind its offset: Java
    (r"\s*\(\p{L}+\.?\)$", ""),  # the day of the week behind a date, and in front of one
    (rf"(?i)^(?:{_DAY_NAMES})\.?,? (\d{{1,2}}[./-]\d{{1,2}}[./-]\d{{2,4}}|\d{{4}}[/-]\d{{1,2}}[/-]\d{{1,2}})", "$1"),
    (rf"(?i)^(?:{_DAY_NAMES})\.?,? (\p{{L}}{{3,9}}\.? \d{{1,2}}(?:st|nd|rd|th)?,? \d{{4}})", "$1"),
    (r"^([A-Za-z]{3,9})[-/.](\d{1,2})[-/.](\d{4})", "$1 $2, $3"),
    (r"^(\p{L}{3,9})\.? (\d{1,2})(?:st|nd|rd|th),? (\d{4})", "$1 $2, $3"),
)
_DAY_MONTH_YEAR = (
    rf"(?i)^(?:(?:{_DAY_NAMES})\.?,? )?(?:the )?(\d{{1,2}})(?:st|nd|rd|th|er|[.ºª°])?( |-|/| de | of )(\p{{L}}{{3,12}})"
    r"\.?(?:[-/ ]|, | de | del )(\d{4}|\d\d)(?: ?г\.?| ?r\.)?(?:,? (\d.*))?$"
)
_MONTH_FIRST = r"^(\p{L}{3,12})\.?(?:-| de |,? )((?:\d{1,2},? )?\d{4}(?: .*)?)$"
_ZONE = r":\d\d(?:\.\d+)?(?: [AP]M)? ([A-Z]{3,4})(?: \d{4})?$"


def plain_dates(values: pl.Series) -> pl.Series:
    """Texts without blanks around them; spellings of dates that a rule knows as ones that strptime reads."""
    values = values.str.strip_chars()
    if not values.str.contains(_USUAL).all():
        values = _without_words(values)
    for pattern, replacement in _DIGITS:
        values = values.str.replace(pattern, replacement)
    return values


def _without_words(values: pl.Series) -> pl.Series:
    """English months, offsets in place of the names of time zones, and no further words."""
    values = values.str.normalize("NFKC").str.strip_chars()
    for pattern, replacement in _WORDS:
        values = values.str.replace(pattern, replacement)
    values = values.str.strip_chars()
    frame = pl.DataFrame({"text": values})
    text, zone = pl.col("text"), pl.col("text").str.extract(_ZONE)
    offset = zone.replace_strict(_OFFSETS, default=None, return_dtype=pl.String)
    zoned = text.str.replace(r" [A-Z]{3,4}( \d{4})?$", pl.concat_str(pl.lit(" "), offset, pl.lit("$1")))
    frame = frame.with_columns(pl.coalesce(zoned, text).alias("text"))
    day, mark, word, year, time = (text.str.extract(_DAY_MONTH_YEAR, i) for i in range(1, 6))
    sign = pl.when(mark == "-").then(pl.lit("-")).otherwise(pl.lit(" "))
    time = pl.when(time.is_null()).then(pl.lit("")).otherwise(pl.concat_str(pl.lit(" "), time))
    day_first = pl.concat_str(day, sign, _month(word), sign, year, time)
    month, rest = (text.str.extract(_MONTH_FIRST, i) for i in (1, 2))
    month_first = pl.concat_str(_month(month), pl.lit(" "), rest)
    return frame.select(pl.coalesce(day_first, month_first, text)).to_series().alias(values.name)


def _month(word: pl.Expr) -> pl.Expr:
    """The English name of a month; null for another word."""
    return word.str.to_lowercase().replace_strict(_MONTH_OF, default=None, return_dtype=pl.String)
