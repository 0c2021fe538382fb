"""Sentences for plain data that is no spec: the field, its value, and what would be accepted. Plain data, no torch.

msgspec says only "Invalid enum value 'rnx'"; a person also needs to know that 'rnn', 'lstm' and 'gru' are accepted.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import inspect as types

MAX_SHOWN = 40
"""Characters of a wrong value that a sentence repeats."""

_WHOLE = "\0"
"""Stands for the name of the whole; no text that is shown can hold it."""

_known: dict[type[Any], types.Type] = {}

_NOUNS: dict[type, str] = {
    types.IntType: "a whole number",
    types.FloatType: "a number",
    types.StrType: "a text",
    types.BoolType: "true or false",
    types.NoneType: "nothing",
}


def read(data: Any, kind: type[Any], name: str, field: str = "") -> Any:
    """Plain dicts, lists and numbers as `kind`. Raises ValueError with one sentence that names field and value.

    `name` is what the whole is called where no field is to blame: "the experiment". `field` stands before
    every field's name: "what_if".
    """
    try:
        sentence = _problem(data, _type_of(kind), field)
        if sentence:
            sentence = sentence.replace(_WHOLE, name)
            raise ValueError(sentence[0].upper() + sentence[1:] if sentence.startswith(name) else sentence)
        return msgspec.convert(data, kind)
    except (msgspec.ValidationError, OverflowError) as error:
        raise ValueError(f"{str(error).replace('`', chr(39)).rstrip('.')}.") from None
    except RecursionError:
        raise ValueError("The data is nested too deeply; an experiment has a handful of levels.") from None


def _type_of(kind: type[Any]) -> types.Type:
    if kind not in _known:
        _known[kind] = types.type_info(kind)
    return _known[kind]


def plain(spec: Any) -> Any:
    """A spec as plain data, whatever stands in its fields. Raises ValueError where that is no data at all."""
    try:
        return msgspec.to_builtins(spec)
    except (TypeError, msgspec.MsgspecError, OverflowError):
        field, value = _unplain(spec)
        raise ValueError(
            f"{field or 'The spec'} is {shown(value)}, which is no plain data; texts, numbers, true, false, lists and "
            "specs are accepted."
        ) from None
    except RecursionError:
        raise ValueError("The spec is nested too deeply; an experiment has a handful of levels.") from None


def _unplain(value: Any, field: str = "") -> tuple[str, Any]:
    """The first thing in it that is no data, and its field."""
    if isinstance(value, msgspec.Struct):
        inner = [(_join(field, name), getattr(value, name)) for name in value.__struct_fields__]
    elif isinstance(value, (list, tuple)):
        inner = [(f"{field}[{place}]", item) for place, item in enumerate(value)]
    else:
        return field, value
    return next((_unplain(one, name) for name, one in inner if not _is_plain(one)), (field, value))


def _is_plain(value: Any) -> bool:
    try:
        msgspec.to_builtins(value)
    except (TypeError, msgspec.MsgspecError, OverflowError):
        return False
    return True


def shown(value: Any) -> str:
    """A value in a sentence: short, on one line, whatever it is."""
    if isinstance(value, Mapping):
        return "a table" if value else "an empty table"
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}" if len(value) else "an empty list"
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "nothing (null)"
    if isinstance(value, int):
        return str(value) if abs(value) < 10**18 else "a number of more than 18 digits"
    text = repr(value) if isinstance(value, (str, float)) else kind_of(value)
    text = "".join(c if c.isprintable() else "?" for c in text)
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}…"


def kind_of(value: Any) -> str:
    """ "a GRU", "an LSTM": what it is, in a sentence."""
    return with_article(type(value).__name__)


def with_article(name: str) -> str:
    """By how its first letter sounds, which in an abbreviation is the letter's own name."""
    spelled = name[:2].isupper() and len(name) > 1
    return f"{'an' if name[:1] in ('AEFHILMNORSX' if spelled else 'AEIOUaeiou') else 'a'} {name}"


def _problem(value: Any, kind: types.Type, field: str) -> str | None:
    """The first thing that is wrong with `value` as `kind`, in the order of the fields; None if nothing is."""
    if isinstance(kind, types.UnionType):
        return _problem_of_union(value, kind, field)
    if isinstance(kind, types.StructType):
        return _problem_of_struct(value, kind, field)
    if isinstance(kind, types.VarTupleType):
        if not _fits(value, kind):
            return _is(field, value, "a list is accepted")
        problems = (_problem(item, kind.item_type, f"{field}[{place}]") for place, item in enumerate(value))
        return next((problem for problem in problems if problem), None)
    if _fits(value, kind):
        return None
    return _is(field, value, f"{_accepted(kind)} is accepted")


def _problem_of_union(value: Any, kind: types.UnionType, field: str) -> str | None:
    if any(isinstance(choice, types.StructType) and choice.tag is not None for choice in kind.types):
        return _problem_of_tagged(value, kind, field)
    for choice in kind.types:  # an optional table, list, number, …: what stands inside is looked at by itself
        if _fits(value, choice):
            return _problem(value, choice, field)
    return _is(field, value, f"{_accepted(kind)} is accepted")


def _problem_of_tagged(value: Any, kind: types.UnionType, field: str) -> str | None:
    """Of tables that say by one field which of them they are."""
    structs = [choice for choice in kind.types if isinstance(choice, types.StructType)]
    tag_field = structs[0].tag_field or "type"
    tags = _or([f"'{choice.tag}'" for choice in structs])
    if not isinstance(value, Mapping):
        return _is(field, value, f"a table is accepted, with {tag_field} = {tags}")
    if tag_field not in value:
        return f"{_join(field, tag_field)} is missing; {tags} is accepted."
    tag = value[tag_field]
    for choice in structs:
        if choice.tag == tag and isinstance(tag, str):
            return _problem_of_struct(value, choice, field)
    return _is(_join(field, tag_field), tag, f"{tags} is accepted")


def _problem_of_struct(value: Any, kind: types.StructType, field: str) -> str | None:
    names = [one.encode_name for one in kind.fields]
    whose = field or _WHOLE
    if not isinstance(value, Mapping):
        return _is(whose, value, f"a table is accepted, with {_and(names)}")
    for name in value:
        if name not in names and name != kind.tag_field:
            wrong = shown(name)
            return f"{whose} has an unknown field {wrong}{_meant(name, names)}; accepted are {_and(names)}."
    for one in kind.fields:
        place = _join(field, one.encode_name)
        if one.encode_name not in value:
            if one.required:
                return f"{place} is missing; {_accepted(one.type)} is needed."
            continue
        problem = _problem(value[one.encode_name], one.type, place)
        if problem:
            return problem
    return None


def _meant(name: Any, names: list[str]) -> str:
    near = difflib.get_close_matches(str(name)[:MAX_SHOWN].lower(), names, 2, 0.6)
    return f" (did you mean {_or(near)}?)" if near else ""


def _fits(value: Any, kind: types.Type) -> bool:
    if isinstance(kind, types.LiteralType):
        return any(value == choice and type(value) is type(choice) for choice in kind.values)
    if isinstance(kind, types.IntType):
        return isinstance(value, int) and not isinstance(value, bool)
    if isinstance(kind, types.FloatType):
        return isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool) and _as_float(value))
    if isinstance(kind, types.StrType):
        return isinstance(value, str)
    if isinstance(kind, types.BoolType):
        return isinstance(value, bool)
    if isinstance(kind, types.StructType):
        return isinstance(value, Mapping)
    if isinstance(kind, types.VarTupleType):
        return isinstance(value, (list, tuple))
    return value is None if isinstance(kind, types.NoneType) else True


def _as_float(value: int) -> bool:
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def _accepted(kind: types.Type) -> str:
    if isinstance(kind, types.LiteralType):
        return _or(_literals(kind))
    if isinstance(kind, types.UnionType):
        words = (_literals(one) if isinstance(one, types.LiteralType) else [_accepted(one)] for one in kind.types)
        listed = _or([word for some in words for word in some])
        return listed.replace(" or nothing", ", or nothing") if " and " in listed else listed
    if isinstance(kind, types.StructType):
        if kind.tag is not None:
            return f"a table with {kind.tag_field} = '{kind.tag}'"
        return f"a table with {_and([one.encode_name for one in kind.fields])}"
    if isinstance(kind, types.VarTupleType):
        return "a list"
    return _NOUNS.get(type(kind), "something else")


def _literals(kind: types.LiteralType) -> list[str]:
    return [f"'{choice}'" for choice in kind.values]


def _is(field: str, value: Any, accepted: str) -> str:
    return f"{field or _WHOLE} is {shown(value)}; {accepted}."


def _join(field: str, name: str) -> str:
    return f"{field}.{name}" if field else name


def _or(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _and(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
