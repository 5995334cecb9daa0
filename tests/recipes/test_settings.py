"""Hyperparameters as AWS's clients send them: maps of strings."""

from __future__ import annotations

import pytest

from tailorbird.errors import InvalidInputException
from tailorbird.recipes import RECIPES, settings_of
from tailorbird.recipes.settings import domains, renamed, tunable

SIMS, USER, COLD = (RECIPES[f"aws-{name}"] for name in ("sims", "user-personalization", "hrnn-coldstart"))


def test_nothing_given_means_the_defaults():
    for recipe in RECIPES.values():
        assert settings_of(recipe, {}, {}) == recipe.settings()


def test_strings_become_typed_values():
    settings = settings_of(
        SIMS,
        {"popularity_discount_factor": "0.7", "min_cointeraction_count": "5"},
        {"max_user_history_length_percentile": "0.9"},
    )
    assert settings.popularity_discount_factor == 0.7
    assert settings.min_cointeraction_count == 5
    assert settings.max_user_history_length_percentile == 0.9


@pytest.mark.parametrize(("text", "value"), [("true", True), ("False", False), ("TRUE", True)])
def test_booleans_take_any_case(text, value):
    assert settings_of(USER, {"recency_mask": text}, {}).recency_mask is value


def test_what_cannot_be_seen_around_a_number_is_passed_over():
    assert settings_of(USER, {"bptt": "\x1f16\u200b", "recency_mask": "true\x1f"}, {}).bptt == 16


def test_the_prefix_of_describe_solution_is_accepted():
    assert settings_of(USER, {"training.bptt": "16"}, {}).bptt == 16


@pytest.mark.parametrize("text", ["5", "5.0", "5.", "0.5e1", "+5", " 5.00 "])
def test_a_whole_number_may_be_written_as_floats_are(text):
    """As in columns of whole numbers."""
    assert settings_of(SIMS, {"min_cointeraction_count": text}, {}).min_cointeraction_count == 5


def test_a_parameter_by_two_names_counts_where_both_say_the_same():
    assert settings_of(USER, {"training.bptt": "16", "bptt": "16.0"}, {}).bptt == 16


@pytest.mark.parametrize(
    ("recipe", "algorithm", "features", "message"),
    [
        (USER, {"training.bptt": "16", "bptt": "17"}, {}, "bptt is there twice, as 16 and as 17; name it once"),
        (
            RECIPES["aws-trending-now"],
            {},
            {"trend_discovery_frequency": "1 day", "data.trend_discovery_frequency": "30 minutes"},
            "trend_discovery_frequency is there twice, as 1 day and as 30 minutes",
        ),
        (SIMS, {"min_cointeraction_count": "11"}, {}, "a whole number from 0 to 10; given: '11'"),
        (SIMS, {"min_cointeraction_count": "3.5"}, {}, "a whole number from 0 to 10"),
        (SIMS, {"min_cointeraction_count": "1_0"}, {}, "a whole number from 0 to 10"),
        (SIMS, {"min_cointeraction_count": "9" * 5000}, {}, "a whole number from 0 to 10"),
        (SIMS, {"popularity_discount_factor": "nan"}, {}, "a number from 0 to 1; given: 'nan'"),
        (SIMS, {"popularity_discount_factor": "-0.1"}, {}, "a number from 0 to 1"),
        (SIMS, {"popularity_discount_factor": "inf"}, {}, "a number from 0 to 1"),
        (SIMS, {"popularity_discount_factor": "0_1"}, {}, "a number from 0 to 1"),
        (COLD, {}, {"cold_start_max_duration": "inf"}, "up; given: 'inf'"),
        (COLD, {}, {"cold_start_max_interactions": "1e999"}, "a whole number from 1 up"),
        (
            SIMS,
            {},
            {f"{end}_item_interaction_count_percentile": value for end, value in (("min", "0.9"), ("max", "0.1"))},
            "min_item_interaction_count_percentile 0.9 is above max_item_interaction_count_percentile 0.1",
        ),
        (USER, {"recency_mask": "yes"}, {}, "true or false; given: 'yes'"),
        (USER, {"seed": "1"}, {}, "no parameter 'seed'"),
        (USER, {"popularity_discount_factor": "0.5"}, {}, "It has: bptt, hidden_dimension, recency_mask"),
        (USER, {"min_user_history_length_percentile": "0.5"}, {}, "algorithmHyperParameters: the recipe has no"),
        (SIMS, {}, {"min_cointeraction_count": "3"}, "featureTransformationParameters: the recipe has no"),
        (RECIPES["aws-popularity-count"], {"x": "1"}, {}, "It has: none"),
    ],
)
def test_what_is_wrong_is_named(recipe, algorithm, features, message):
    with pytest.raises(InvalidInputException) as caught:
        settings_of(recipe, algorithm, features)
    assert message in caught.value.message


def test_defaults_lie_in_their_domains():
    for recipe in RECIPES.values():
        for name, (default, domain) in domains(recipe.settings).items():
            assert domain.type is type(default), name
            if domain.type is str:
                assert default in [value for value, *_ in domain.choices], name
            else:
                assert domain.type is bool or domain.low <= default <= domain.high, name


def test_older_spellings_of_hpo_ranges_are_accepted():
    known = tunable(RECIPES["aws-similar-items"].settings)
    assert renamed(known, "item_metadata_hidden_dimension") == "item_metadata_hidden_dim"
    assert renamed(known, "item_id_hidden_dim") == "item_id_hidden_dim"
    assert renamed(known, "bptt") == "bptt"
