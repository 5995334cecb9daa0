"""Filter expressions: text to frozen dataclasses. Values of placeholders are read in `values`.

    parse("EXCLUDE ItemID WHERE Items.PRICE > $MAX")     a Filter; well formed whatever the data

Source: spec recipes-and-runtime 5. Literals stay text: whether `3` means a number is decided by the column.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NoReturn

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedToken

from tailorbird import aws_texts
from tailorbird.errors import InvalidInputException

MAX_LENGTH = 2500
"""Characters of an expression (spec recipes-and-runtime 5.1)."""
ANY_EVENT = "*"
EVENT_DATASETS = ("INTERACTIONS", "ACTION_INTERACTIONS")

_DATASETS_OF_TARGET = {
    "ItemID": ("ITEMS", "INTERACTIONS"),
    "UserID": ("USERS", "INTERACTIONS"),
    "ActionID": ("ACTIONS", "ACTION_INTERACTIONS"),
}
SPELLING = {
    "ITEMS": "Items",
    "INTERACTIONS": "Interactions",
    "USERS": "Users",
    "ACTIONS": "Actions",
    "ACTION_INTERACTIONS": "Action_Interactions",
}


@dataclass(frozen=True)
class ColumnReference:
    """A field of a dataset; both names in upper case."""

    dataset: str
    """ITEMS, INTERACTIONS, USERS, ACTIONS or ACTION_INTERACTIONS."""
    name: str
    position: int = field(default=0, compare=False)
    """Where it stands in the text, in characters, for messages."""

    def __str__(self) -> str:
        return f"{SPELLING[self.dataset]}.{self.name}"


@dataclass(frozen=True)
class Parameter:
    """A placeholder; the name has no `$` and is case-sensitive."""

    name: str


@dataclass(frozen=True)
class Predicate:
    """`column operator operand`."""

    column: ColumnReference
    operator: str
    """IN, NOT IN, =, !=, <, <=, > or >=."""
    operand: tuple[str, ...] | Parameter | ColumnReference
    """Literals as text (exactly one with a comparator), a placeholder, or a column of the current item."""


@dataclass(frozen=True)
class Expression:
    """`INCLUDE target WHERE where IF condition`."""

    include: bool
    target: str
    """ItemID, UserID or ActionID."""
    where: tuple[tuple[Predicate, ...], ...]
    """Alternatives (OR), each of predicates that must all hold (AND)."""
    condition: tuple[Predicate, ...] = ()
    """Predicates on the asking user (dataset USERS) that must all hold."""

    @cached_property
    def predicates(self) -> tuple[Predicate, ...]:
        """All predicates in the order of the text."""
        return tuple(predicate for all_of in self.where for predicate in all_of) + self.condition

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """The distinct names of placeholders in the order of the text."""
        operands = (predicate.operand for predicate in self.predicates)
        return tuple(dict.fromkeys(operand.name for operand in operands if isinstance(operand, Parameter)))


@dataclass(frozen=True)
class Filter:
    """A well-formed filter."""

    expressions: tuple[Expression, ...]
    text: str = field(default="", compare=False)
    """What it was parsed from."""

    @property
    def target(self) -> str:
        """ItemID, UserID or ActionID: the same in every expression."""
        return self.expressions[0].target

    @cached_property
    def columns(self) -> tuple[ColumnReference, ...]:
        """Every column in the order of the text, those of CurrentUser and CurrentItem too."""
        predicates = [predicate for expression in self.expressions for predicate in expression.predicates]
        pairs = ((predicate.column, predicate.operand) for predicate in predicates)
        return tuple(side for pair in pairs for side in pair if isinstance(side, ColumnReference))

    @cached_property
    def fields(self) -> frozenset[tuple[str, str]]:
        """The distinct (dataset, field) pairs; CurrentUser counts as USERS and CurrentItem as ITEMS."""
        return frozenset((column.dataset, column.name) for column in self.columns)

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """The distinct names of placeholders in the order of the text."""
        return tuple(dict.fromkeys(name for each in self.expressions for name in each.parameters))

    def comparing(self, name: str) -> tuple[Predicate, ...]:
        """The predicates with the placeholder of this name."""
        predicates = (predicate for each in self.expressions for predicate in each.predicates)
        return tuple(each for each in predicates if isinstance(each.operand, Parameter) and each.operand.name == name)

    @cached_property
    def needs_user(self) -> bool:
        """Whether evaluation asks for a user's events or attributes."""
        asks_attributes = any(expression.condition for expression in self.expressions)
        return asks_attributes or any(column.dataset in EVENT_DATASETS for column in self.columns)

    @cached_property
    def needs_current_item(self) -> bool:
        """Whether it compares with CurrentItem, which only related-item requests have."""
        return any(isinstance(p.operand, ColumnReference) for each in self.expressions for p in each.predicates)


# Text to tree

_PARSER = Lark.open("grammar.lark", rel_to=__file__, parser="lalr", propagate_positions=False)
_WORDS = {
    "EFFECT": "INCLUDE or EXCLUDE",
    "TARGET": "ItemID, UserID or ActionID",
    "_WHERE": "WHERE",
    "_IF": "IF",
    "_OR": "OR",
    "_AND": "AND",
    "FIELD": "a field such as {fields}",
    "CURRENT_USER": "a field of the asking user such as CurrentUser.AGE",
    "MEMBERSHIP": "IN or NOT IN",
    "COMPARATOR": "one of = != < <= > >=",
    "STRING": "a quoted string",
    "NUMBER": "a number",
    "PARAMETER": "a placeholder such as $NAME",
    "LPAR": '"("',
    "CURRENT_ITEM": "a field of the current item such as CurrentItem.PRICE",
    "RPAR": '")"',
    "COMMA": '","',
    "VBAR": '"|"',
    "$END": "the end",
}
_FIELDS = {
    "ITEMID": "Items.GENRES or Interactions.EVENT_TYPE",
    "USERID": "Users.AGE or Interactions.EVENT_TYPE",
    "ACTIONID": "Actions.VALUE or Action_Interactions.EVENT_TYPE",
}
"""Examples of what a filter of each target may name."""
_ELSEWHERE = {
    "currentuser": "CurrentUser stands after IF only. ",
    "currentitem": "CurrentItem stands behind an operator only. ",
}
_HINTS = (
    (re.compile(r"[\"']"), "This quotation mark is never closed. "),
    (re.compile(r"[“”„‘’«»]"), "Quote with plain \" or '. "),
    (re.compile(r"(true|false)\b", re.IGNORECASE), "Boolean fields cannot be filtered. "),
)
_DECIMAL_COMMA = re.compile(r"(?<=[0-9]),[0-9]")


class _ProblemAt(Exception):
    """What is wrong and where, before the text around it is known."""

    def __init__(self, position: int, problem: str) -> None:
        super().__init__(position, problem)
        self.position = position
        self.problem = problem


def parse(text: str) -> Filter:
    """Returns the filter that `text` (1 to 2500 characters) spells.

    What is true of every filter is checked here: one target, one dataset an expression, placeholders where
    they may stand, Interactions only by EVENT_TYPE. What depends on the schemas is left to `check.check`.
    InvalidInputException shows the place where the text goes wrong.
    """
    if not 1 <= len(text) <= MAX_LENGTH:
        raise InvalidInputException(
            aws_texts.FILTER_REFUSED.format(problem=aws_texts.FILTER_EXPRESSION)
            + f": filterExpression has {len(text)} characters; it needs 1 to {MAX_LENGTH}."
        )
    try:
        expressions = tuple(_expression(child) for child in _PARSER.parse(text).children)
        for expression in expressions:
            _check_expression(expression, expressions[0].target)
    except (UnexpectedCharacters, UnexpectedToken) as error:
        refuse(text, *_unexpected(text, error))
    except _ProblemAt as error:
        refuse(text, error.position, error.problem)
    return Filter(expressions, text)


def _expression(tree: Any) -> Expression:
    effect, target, any_of, condition = tree.children
    return Expression(
        include=effect.upper() == "INCLUDE",
        target=next(name for name in _DATASETS_OF_TARGET if name.upper() == target.upper()),
        where=tuple(tuple(_predicate(leaf) for leaf in all_of.children) for all_of in any_of.children),
        condition=tuple(_predicate(leaf) for leaf in condition.children) if condition else (),
    )


def _predicate(tree: Any) -> Predicate:
    column, operator, right = tree.children
    operator = " ".join(operator.upper().split())
    if isinstance(right, Token):
        return Predicate(_column(column), operator, _column(right))
    return Predicate(_column(column), operator, _operand(operator, right))


def _column(token: Token) -> ColumnReference:
    prefix, name = (part.strip().upper() for part in token.split("."))
    dataset = {"CURRENTUSER": "USERS", "CURRENTITEM": "ITEMS", "ACTION": "ACTIONS"}.get(prefix, prefix)
    return ColumnReference(dataset, name, token.start_pos or 0)


def _operand(operator: str, tree: Tree[Token]) -> tuple[str, ...] | Parameter:
    tokens = [child for child in tree.children if isinstance(child, Token)]
    placeholder = next((token for token in tokens if token.type == "PARAMETER"), None)
    if placeholder is None:
        return tuple(_literal(token) for token in tokens)
    if operator == "NOT IN":
        raise _ProblemAt(
            placeholder.start_pos or 0,
            aws_texts.FILTER_PLACEHOLDER.format(name=placeholder)
            + " Turn INCLUDE ... NOT IN into EXCLUDE ... IN, or the other way round.",
        )
    if len(tokens) > 1:
        raise _ProblemAt(
            placeholder.start_pos or 0,
            "A placeholder must stand alone in its list; give it several values in filterValues instead.",
        )
    return Parameter(placeholder[1:])


def _literal(token: Token) -> str:
    """What a string or a number says; a quote inside a string is written twice."""
    return token[1:-1].replace(token[0] * 2, token[0]) if token.type == "STRING" else str(token)


def _check_expression(expression: Expression, target: str) -> None:
    first = expression.where[0][0].column
    allowed = _DATASETS_OF_TARGET[target]
    if expression.target != target:
        raise _ProblemAt(first.position, f"All expressions need the same target, here {target}.")
    for predicate in (predicate for all_of in expression.where for predicate in all_of):
        column = predicate.column
        if column.dataset not in allowed:
            names = " or ".join(SPELLING[dataset] for dataset in allowed)
            problem = f"{target} filters take fields of {names}, not of {SPELLING[column.dataset]}."
        elif column.dataset != first.dataset:
            problem = 'One expression uses one dataset; join two expressions with "|" to use both.'
        elif column.dataset in EVENT_DATASETS and column.name != "EVENT_TYPE":
            problem = f"Of {SPELLING[column.dataset]} only EVENT_TYPE can be filtered."
        elif column.dataset in EVENT_DATASETS and not _fits_events(predicate):
            problem = "Compare EVENT_TYPE with IN, NOT IN, = or !=, and with literals or a placeholder."
        elif isinstance(predicate.operand, ColumnReference) and target != "ItemID":
            problem = f"CurrentItem has no meaning in {target} filters."
        else:
            continue
        raise _ProblemAt(column.position, problem)
    if expression.condition and target == "UserID":
        raise _ProblemAt(
            expression.condition[0].column.position,
            "UserID filters have no asking user; put a condition on Users into WHERE.",
        )


def _fits_events(predicate: Predicate) -> bool:
    return predicate.operator in ("IN", "NOT IN", "=", "!=") and not isinstance(predicate.operand, ColumnReference)


def _unexpected(text: str, error: UnexpectedCharacters | UnexpectedToken) -> tuple[int, str]:
    """Where lark stopped and what it could have read there."""
    hint = ""
    if isinstance(error, UnexpectedToken):
        terminals = error.accepts or error.expected
        position = len(text) if error.token.type == "$END" else error.token.start_pos or 0
        hint = "Write a point for the decimal comma. " if _DECIMAL_COMMA.match(text, position) else ""
    else:
        terminals, position = error.allowed, error.pos_in_stream or 0
        hint = next((hint for pattern, hint in _HINTS if pattern.match(text, position)), "")
    words = [word for terminal, word in _WORDS.items() if terminal in terminals]
    listed = " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
    target = re.findall("|".join(_FIELDS), text[:position], re.IGNORECASE)[-1:] or ["ITEMID"]
    hint = hint or (_dataset_hint(text[position:]) if "FIELD" in terminals else "")
    return position, f"{hint}Expected {listed.format(fields=_FIELDS[target[0].upper()])}."


def _dataset_hint(rest: str) -> str:
    """Which dataset a name means that stands where one is due, and is spelled as elsewhere."""
    found = re.match(r"(\w+)\s*\.", rest)
    if found is None:
        return ""
    name = found[1].replace("_", "").lower()
    for spelling in SPELLING.values():
        if name.removesuffix("s") == spelling.replace("_", "").lower().removesuffix("s"):
            return f"Write {spelling} for {found[1]}. "
    return _ELSEWHERE.get(name, "")


def refuse(text: str, position: int, problem: str) -> NoReturn:
    """Raises InvalidInputException with the problem and, on two lines of their own, text and caret."""
    width = 60  # on each side of the caret, so that it all stands in a terminal of 126 columns
    start, stop = max(0, position - width), position + width
    shown = "".join(character if character.isprintable() else " " for character in text[start:stop])
    before, after = "..." if start else "", "..." if stop < len(text) else ""
    if not problem.startswith(aws_texts.FILTER_SYMBOL):
        problem = f"{aws_texts.FILTER_EXPRESSION} at character {position + 1}: {problem}"
    caret = " " * (len(before) + position - start) + "^"
    raise InvalidInputException(f"{aws_texts.FILTER_REFUSED.format(problem=problem)}\n{before}{shown}{after}\n{caret}")
