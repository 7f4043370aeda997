"""Ways to be reached outside the market, found in what people and agents write to each other. Pure.

What is looked at is the text as it reads, not as it is spelled: full-width and look-alike characters become plain ones,
invisible ones go, "at" and "dot" become what they stand for. Dates, times, prices, measures, coordinates and lists of
house numbers are set aside before digits are counted.
"""

import re
import unicodedata
from itertools import pairwise

from market.errors import ContactDetails

LEAST_DIGITS = 7  # of a telephone number

_LOOK_ALIKES = str.maketrans(
    "авекмнорстухіјѕԁһӏԛԝԍαβεικνορτυχγıɡɑοｏ。｡·•∙⋅‧﹒٫∶",
    "abekmhopctyxijsdhlqwgabeiknoptuxyigaoo........,:",
)
_DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
_MASK = " ¦ "  # stands where something harmless was: no run of digits goes on over it

_SITES = (
    "com net org info biz io dev app xyz top site online store shop club live link page website space tech cloud email "
    "chat mobi name pro tel ai co eu uk de fr es pt nl lu ch li pl cz sk hu ro bg gr hr si rs ua ru by kz tr se fi dk "
    "ee lv lt ie ca mx br ar cl pe ve ec uy jp cn kr tw hk sg ph th vn id au nz za ng ke eg ma dz tn il ae sa qa pk bd "
    "lk np ir iq ge az me tv cc ws gg ly fm gl su pф ykp berlin hamburg koeln wien london paris nyc photo photos "
    "photography pics art design media news video music guru expert agency services gmbh ltd email network"
)
_WORDS_TOO = "it is in at so no my to be am as us do la sh"  # endings of domains that are words as well
_MAIL = "gmail googlemail hotmail outlook yahoo gmx protonmail proton icloud freemail mailru yandex aol fastmail"
_MESSENGERS = (
    "whats ?app|whatsap|watsapp|telegram|viber|we ?chat|weixin|skype|discord|insta(?:gram)?|snap(?:chat)?|threema|"
    "kakao ?(?:talk)?|tik ?tok|facebook|fb|messenger|zalo|jabber|xmpp|icq|twitter|mastodon|wickr"
)
_COMMON = "signal|line|matrix|kik|imo|session|wire|element|x"  # words of other things too

_TOKEN = r"(?<![\w.#-])(?=[\w.#-]*[a-z])(?=[\w.#-]*[\d_#])[\w.#-]{3,}"  # letters together with digits or _
_NAMED = r"(?:id|user ?names?|user|handle|nick(?:name)?|account|acc)"
_SPELLED: tuple[tuple[str, str], ...] = (
    (r"\s*[(\[{<]\s*(?:at|a|@|ät|arroba)\s*[)\]}>]\s*", "@"),
    (r"\s*[(\[{<]\s*(?:dot|d|\.|punkt|point|punto)\s*[)\]}>]\s*", "."),
    (r"(?<=\w)\s*[-_/*]+(?:at)[-_/*]+\s*(?=\w)", "@"),
    (r"(?<=\w)\s*[-_/*]+(?:dot)[-_/*]+\s*(?=\w)", "."),
    (r"(?<=\w)\s+dot\s+(?=\w)", "."),
    (r"(?<=\w)\s+(?:punkt|point|punto|pont)\s+(?=(?:com|net|org|info|de|at|fr|es|it|hu)\b)", "."),
)
_FOUND: tuple[re.Pattern[str], ...] = tuple(
    re.compile(each)
    for each in (
        r"(?<![\w.+-])[\w.+-]+\s*@\s*[\w-]+(?:\s*\.\s*[\w-]+)*\s*\.\s*[^\W\d]{2,}",  # an e-mail address
        rf"\b(?:@|at)\s*(?:{_MAIL.replace(' ', '|')})\b",
        r"\b(?:https?|hxxps?|ftp|tel|mailto|sip|tg)\s?:\s?/?/?\S",
        r"\bwww\s?\.",
        rf"(?<![\w.-])(?:[\w-]+\.)*[\w-]*[^\W_][\w-]*\.(?:{_SITES.replace(' ', '|')})(?![\w-])",
        r"\b[\w-]{2,}(?:\s+\.\s*|\s*\.\s+)(?:com|net|org|info|biz|io)\b",
        r"\b(?:\w\s*\.\s*)+(?:me|gg|ly|gl|com)\s*/\s*\w",  # t . me / name
        r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])",
        r"@(?=[\w.]*[^\W\d_])[\w.]{2,}",  # a handle
        rf"\b(?:{_MESSENGERS})\b\W*(?:(?:my|me|is|on|at|as|under|name|{_NAMED})\W+)*{_TOKEN}",
        rf"\b(?:{_MESSENGERS})\b(?:\s*[:=]\s*|\s+(?:{_NAMED})\W+(?:is\W+)?)[\w.]{{2,}}",
        rf"\b(?:{_COMMON})\b\W+(?:{_NAMED})\W+(?:is\W+)?[\w.]{{2,}}",
        rf"\b(?:{_COMMON})\s*[:=]\s*{_TOKEN}",
        rf"{_TOKEN}\W+(?:on|at|in|via)\W+(?:my\W+)?(?:{_MESSENGERS})\b",
    )
)
# Endings that are words count where they are written small: "open.Is" is a sentence without its space.
_WORDY = re.compile(rf"(?<![\w.-])(?:[\w-]+\.)*[\w-]{{2,}}\.(?:{_WORDS_TOO.replace(' ', '|')})(?![\w-])")

_UNITS = (
    "mm|cm|dm|m|km|m2|m3|ft|in|inch|yd|mi|g|kg|mg|t|lb|oz|ml|cl|l|w|kw|mw|kwh|v|a|hz|khz|mhz|pa|hpa|bar|ppm|lux|db|"
    "min|h|hours?|minutes?|seconds?|days?|met(?:er|re)s?|people|steps|px|pixels?"
)
_MONEY = "usd|eur|gbp|chf|huf|jpy|pln|czk|sek|nok|dkk|cad|aud|inr|cny|brl|ft|kr|zl|euros?|dollars?|pounds?|yen|forint"
_AMOUNT = r"[1-9]\d{0,2}(?:[ ,.']\d{3}){0,2}(?:[.,]\d{1,2})?|\d{1,6}(?:[.,]\d{1,2})?"
_HARMLESS: tuple[re.Pattern[str], ...] = tuple(
    re.compile(each)
    for each in (
        r"(?<![\d.,/-])-?\d{1,2}\.\d{3,7}°?\s*[,;/ ]\s*-?\d{1,3}\.\d{3,7}°?(?![\d.])",  # coordinates
        r"(?<![\d.:-])(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d)?(?!\d|[.:]\d)",  # times
        rf"(?:[$€£¥₹]|\b(?:{_MONEY}))\s?(?:{_AMOUNT})(?!\d|[ .,/-]\d)",
        rf"(?<![\d+/])(?<!\d[ .,/-])(?:{_AMOUNT})\s?(?:[$€£¥₹%]|(?:{_MONEY})\b)",
        r"(?<![\d+/.])(?:0|[1-9]\d{0,2})\.\d{2}(?:,\s+(?:0|[1-9]\d{0,2})\.\d{2})+(?![\d.])",  # prices in a row
        r"(?<![\d+/])(?<!\d[ .,/-])\d{7,8}\s?(?:kwh|km|m3)\b",  # what a meter shows
        rf"(?<![\d+/])(?<!\d[ .,/-])\d{{1,6}}(?:[.,]\d{{1,4}})?\s?(?:°\s?[cf]?|µg/m|(?:{_UNITS})\b)",
    )
)
_DATE = re.compile(r"(?<![\d.:/-])(\d{1,4})([-./])\s?(\d{1,2})\2\s?(\d{1,4})(?:t(?=\d))?(?!\d|[./-]\d)")
_RUN = re.compile(r"\d(?:[\s().,:;/\\+*_|~'\"=–—-]*\d)*")


def found(text: str) -> bool:
    """Whether the text holds an address, number, name or place on the net by which somebody can be reached."""
    shown = _as_read(text)
    plain = shown.casefold().translate(_LOOK_ALIKES)
    for spelled, meant in _SPELLED:
        plain = re.sub(spelled, meant, plain)
    plain = _closed_up(plain)
    return (
        any(each.search(plain) for each in _FOUND)
        or any(_written_small(each, shown) for each in _WORDY.finditer(plain))
        or _has_number(plain)
    )


def require_none(text: str, pointer: str) -> None:
    """Raises ContactDetails, naming the field, where there is such a thing in the text."""
    if found(text):
        raise ContactDetails(pointer=pointer)


def _as_read(text: str) -> str:
    """Compatibility forms and digits of all scripts as plain ones; nothing invisible, no marks upon letters."""
    kept = []
    for each in unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text)):
        digit = unicodedata.digit(each, None)
        if digit is not None:
            kept.append(str(digit))
        elif unicodedata.category(each) not in ("Cf", "Mn", "Me", "Cc", "Co", "Cn") or each.isspace():
            kept.append(each)
    return re.sub(r"\s+", " ", "".join(kept))


def _closed_up(text: str) -> str:
    """Letters that stand apart, `b o @ x . c o m`, as one word."""
    return re.sub(r"(?<!\S)(?:\S ){4,}\S(?!\S)", lambda run: run.group().replace(" ", ""), text)


def _written_small(match: re.Match[str], shown: str) -> bool:
    """Whether the ending of what looks like a domain is nowhere in the text as the beginning of a sentence."""
    ending = match.group().rpartition(".")[2]
    return f".{ending.capitalize()}" not in shown


def _has_number(plain: str) -> bool:
    """Whether seven digits or more stand together, however they are spaced, that are nothing harmless."""
    for n, word in enumerate(_DIGITS):
        plain = re.sub(rf"\b{word}\b", str(n), plain)
    plain = re.sub(r"(?<=\d)([\s-]+)oh?(?=[\s-]+\d)", r"\g<1>0", plain)
    plain = re.sub(r"(?<!\w)(?=[oil|]*\d)[\doil|]{2,}(?!\w)", _as_digits, plain)
    plain = _DATE.sub(_masked_date, plain)
    for harmless in _HARMLESS:
        plain = harmless.sub(_MASK, plain)
    return any(_is_number(run.group()) for run in _RUN.finditer(plain))


def _as_digits(word: re.Match[str]) -> str:
    return word.group().translate(str.maketrans("oil|", "0111"))


def _masked_date(match: re.Match[str]) -> str:
    """Nothing where it is a date, in the order of any country; else what it was."""
    first, _, middle, last = match.groups()
    year, ends = (int(first), (middle, last)) if len(first) == 4 else (int(last), (first, middle))
    full = 1900 <= year < 2100 or (len(last) == 2 and len(first) <= 2)
    days = [int(each) for each in ends]
    is_date = full and min(days) >= 1 and min(days) <= 12 and max(days) <= 31
    return _MASK if is_date else match.group()


def _is_number(run: str) -> bool:
    if sum(each.isdigit() for each in run) < LEAST_DIGITS:
        return False
    parts = [int(each) for each in re.findall(r"\d+", run)]
    # House numbers and the like: 101, 103, 105. No telephone number is told so.
    listed = re.fullmatch(r"\d{1,4}(?:[,;]\s\d{1,4})+", run) is not None and len(parts) > 2
    return not (listed and all(a < b for a, b in pairwise(parts)))
