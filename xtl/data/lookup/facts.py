"""Facts about territories, from CLDR through babel, with their names in twelve languages.

Three relations: the currency of a territory, an official language of it, and the city whose
clock it follows (the exemplar city of its time zone). A fact is kept if each of the languages
has a name of its own, in its own script, for the territory and for the value.
"""

from __future__ import annotations

import datetime
import functools
import random
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from babel import Locale
from babel.core import get_global
from babel.languages import get_official_languages
from babel.numbers import get_territory_currencies

Relation = Literal["currency", "language", "city"]
RELATIONS: tuple[Relation, ...] = get_args(Relation)
LANGUAGES = ("en", "de", "es", "fr", "ru", "tr", "hi", "ar", "th", "sw", "te", "bn")
SCRIPTS = {
    "ru": "CYRILLIC", "hi": "DEVANAGARI", "ar": "ARABIC",
    "th": "THAI", "te": "TELUGU", "bn": "BENGALI",
}  # fmt: skip
AS_OF = datetime.date(2025, 1, 1)  # currencies in use on this day
EVALUATION_SHARE = 0.43  # of the territories; about 210 facts

# Member states of the United Nations, by code: what the wordings call a country.
MEMBER_STATES = (
    "AD AE AF AG AL AM AO AR AT AU AZ BA BB BD BE BF BG BH BI BJ BN BO BR BS BT BW BY BZ CA CD CF "
    "CG CH CI CL CM CN CO CR CU CV CY CZ DE DJ DK DM DO DZ EC EE EG ER ES ET FI FJ FM FR GA GB GD "
    "GE GH GM GN GQ GR GT GW GY HN HR HT HU ID IE IL IN IQ IR IS IT JM JO JP KE KG KH KI KM KN KP "
    "KR KW KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MG MH MK ML MM MN MR MT MU MV MW MX MY "
    "MZ NA NE NG NI NL NO NP NR NZ OM PA PE PG PH PK PL PT PW PY QA RO RS RU RW SA SB SC SD SE SG "
    "SI SK SL SM SN SO SR SS ST SV SY SZ TD TG TH TJ TL TM TN TO TR TT TV TZ UA UG US UY UZ VC VE "
    "VN VU WS YE ZA ZM ZW"
)
# CLDR's primaryZones (metaZones.xml): one zone stands for the country though it has several.
PRIMARY_ZONES = {
    "CL": "America/Santiago", "CN": "Asia/Shanghai", "DE": "Europe/Berlin",
    "EC": "America/Guayaquil", "ES": "Europe/Madrid", "MH": "Pacific/Majuro",
    "MY": "Asia/Kuala_Lumpur", "NZ": "Pacific/Auckland", "PT": "Europe/Lisbon",
    "UA": "Europe/Kyiv", "UZ": "Asia/Tashkent",
}  # fmt: skip
# Zones named after an island, and one whose name says "city" in some languages already.
NOT_CITIES = {"Indian/Mahe", "Pacific/Efate", "Pacific/Guadalcanal", "Asia/Ho_Chi_Minh"}
JOINERS = "\u200c\u200d"


@dataclass(frozen=True, order=True)
class Fact:
    """In CLDR's codes: `Fact("KE", "currency", "KES")`."""

    territory: str
    relation: Relation
    value: str


@dataclass(frozen=True)
class Division:
    """Facts about training territories and about evaluation territories: none is in both."""

    training: tuple[Fact, ...]
    evaluation: tuple[Fact, ...]


def divide(seed: int) -> Division:
    """Split the territories at random; all facts about one go to the same side."""
    territories = sorted({fact.territory for fact in known_facts()})
    random.Random(f"{seed}/territories").shuffle(territories)
    held_out = set(territories[: round(EVALUATION_SHARE * len(territories))])
    return Division(
        training=tuple(fact for fact in known_facts() if fact.territory not in held_out),
        evaluation=tuple(fact for fact in known_facts() if fact.territory in held_out),
    )


@functools.cache
def known_facts() -> tuple[Fact, ...]:
    """Every fact that can be told in all languages, sorted."""
    facts = (fact for territory in MEMBER_STATES.split() for fact in _facts_about(territory))
    return tuple(sorted(fact for fact in facts if _is_tellable(fact)))


@functools.cache
def place(language: str, territory: str) -> str | None:
    """The territory's name, or None where the language has none of its own."""
    return _own_name(language, _locale(language).territories.get(territory))


@functools.cache
def value(language: str, relation: Relation, code: str) -> str | None:
    """The name of a currency, language or zone's city; None as above."""
    locale = _locale(language)
    if relation == "city":
        return _own_name(language, _city(language, code))
    names = locale.currencies if relation == "currency" else locale.languages
    return _own_name(language, names.get(code))


def _facts_about(territory: str) -> Iterator[Fact]:
    currencies = get_territory_currencies(territory, AS_OF, AS_OF, tender=True)
    if len(currencies) == 1:
        yield Fact(territory, "currency", currencies[0])
    languages = get_official_languages(territory)
    if languages:  # CLDR lists the most spoken first
        yield Fact(territory, "language", languages[0].split("_")[0])
    zone = _zone(territory)
    if zone is not None and zone not in NOT_CITIES:
        yield Fact(territory, "city", zone)


def _zone(territory: str) -> str | None:
    zones = get_global("territory_zones").get(territory, [])
    return zones[0] if len(zones) == 1 else PRIMARY_ZONES.get(territory)


def _is_tellable(fact: Fact) -> bool:
    return all(_is_tellable_in(language, fact) for language in LANGUAGES)


def _is_tellable_in(language: str, fact: Fact) -> bool:
    """Both have names; a city that is named as its country is would answer itself."""
    where = place(language, fact.territory)
    what = value(language, fact.relation, fact.value)
    if where is None or what is None:
        return False
    return fact.relation != "city" or not (where in what or what in where)


def _own_name(language: str, name: str | None) -> str | None:
    """The name if it is plain words in the language's script: no code, note or borrowed script."""
    if name is None:
        return None
    plain = all(letter.isalpha() or unicodedata.category(letter) in _PLAIN for letter in name)
    script = SCRIPTS.get(language, "LATIN")
    native = all(script in unicodedata.name(letter, "") for letter in name if letter.isalpha())
    return name.strip(JOINERS) if plain and native and " - " not in name else None


# Marks and joiners, spaces, hyphens, full stops and apostrophes: no digits, no brackets.
_PLAIN = {"Mn", "Mc", "Cf", "Zs", "Pd", "Po", "Pf"}


def _city(language: str, zone: str) -> str | None:
    """The exemplar city. CLDR's rule for a missing one, the last part of the zone's id, is
    right in Latin script only."""
    zones = _locale(language).time_zones
    for name in (zone, *_former_names(zone)):
        city = zones.get(name, {}).get("city")
        if city:
            return str(city)
    return None if language in SCRIPTS else zone.rpartition("/")[2].replace("_", " ")


def _former_names(zone: str) -> list[str]:
    aliases = get_global("zone_aliases")
    return sorted(old for old, new in aliases.items() if new == zone)


@functools.cache
def _locale(language: str) -> Locale:
    return Locale.parse(language)
